// SPDX-License-Identifier: MIT
#include "springg/types.h"

#include <string>

#include "catch.h"
#include "status_of.h"

namespace springg {

TEST_CASE("metrics, dtypes and quantisations are spelled one way") {
  for (const Metric metric :
       {Metric::kCosine, Metric::kDot, Metric::kL2, Metric::kManhattan, Metric::kHamming}) {
    auto parsed = parse_metric(to_string(metric));
    REQUIRE(parsed.ok());
    CHECK(*parsed == metric);
  }
  for (const ScalarType type : {ScalarType::kFloat32, ScalarType::kFloat16, ScalarType::kInt8,
                                ScalarType::kUint8, ScalarType::kBinary}) {
    auto parsed = parse_scalar_type(to_string(type));
    REQUIRE(parsed.ok());
    CHECK(*parsed == type);
  }
  for (const Quantization quantization :
       {Quantization::kNone, Quantization::kAuto, Quantization::kInt8, Quantization::kInt4,
        Quantization::kRabitq}) {
    auto parsed = parse_quantization(to_string(quantization));
    REQUIRE(parsed.ok());
    CHECK(*parsed == quantization);
  }
  const auto unknown = parse_metric("Cosine");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.status().code() == ErrorCode::kInvalidArgument);
  CHECK(testing::says(unknown.status(), "cosine, dot, l2, manhattan, hamming; got 'Cosine'"));
}

TEST_CASE("bytes of a stored vector") {
  CHECK(vector_bytes(ScalarType::kFloat32, 384) == 1'536);
  CHECK(vector_bytes(ScalarType::kFloat16, 3) == 6);
  CHECK(vector_bytes(ScalarType::kInt8, 5) == 5);
  CHECK(vector_bytes(ScalarType::kUint8, 5) == 5);
  CHECK(vector_bytes(ScalarType::kBinary, 8) == 1);
  CHECK(vector_bytes(ScalarType::kBinary, 9) == 2);
}

TEST_CASE("scores grow as distances shrink") {
  CHECK(score_of_distance(Metric::kCosine, 0.25F, 3) == 0.75F);
  CHECK(score_of_distance(Metric::kDot, -2.0F, 3) == 2.0F);
  CHECK(score_of_distance(Metric::kL2, 3.0F, 3) == 0.25F);
  CHECK(score_of_distance(Metric::kManhattan, 1.0F, 3) == 0.5F);
  CHECK(score_of_distance(Metric::kHamming, 16.0F, 64) == 0.75F);
}

TEST_CASE("ids keep kind and bytes, before and after the column becomes mixed") {
  IdColumn ids;
  CHECK(ids.empty());
  CHECK(ids.all_integers());
  ids.append_integer(7);
  ids.append_integer(~std::uint64_t{0});
  CHECK(ids.all_integers());
  CHECK(ids.integers().size() == 2);
  ids.append_string("caf\xc3\xa9");
  std::array<std::uint8_t, 16> uuid{};
  uuid[15] = 1;
  ids.append_uuid(uuid);
  ids.append_integer(8);
  REQUIRE(ids.size() == 5);
  CHECK_FALSE(ids.all_integers());
  CHECK(ids.integers().empty());
  CHECK(ids[0].integer() == 7);
  CHECK(ids[1].integer() == ~std::uint64_t{0});
  CHECK(ids[2] == IdView{IdKind::kString, "caf\xc3\xa9"});
  CHECK(describe(ids[2]) == "'caf\xc3\xa9'");
  CHECK(describe(ids[3]) == "00000000-0000-0000-0000-000000000001");
  CHECK(describe(ids[4]) == "8");
  CHECK(ids.memory_bytes() >= 8 + 8 + 5 + 16 + 8);
}

TEST_CASE("ids of different kinds differ even with equal bytes") {
  const std::string bytes = "12345678";
  CHECK(IdView{IdKind::kString, bytes} != IdView{IdKind::kInteger, bytes});
}

TEST_CASE("metadata columns tell none from some") {
  MetadataColumn column;
  column.append("{\"a\":1}");
  column.append_none();
  column.append("{}");
  REQUIRE(column.size() == 3);
  CHECK(column.has(0));
  CHECK_FALSE(column.has(1));
  CHECK(column.has(2));
  CHECK(column.text(0) == "{\"a\":1}");
  CHECK(column.text(1).empty());
  CHECK(column.text(2) == "{}");
  CHECK(column.memory_bytes() >= 9);
}

}  // namespace springg
