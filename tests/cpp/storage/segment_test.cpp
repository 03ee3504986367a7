// SPDX-License-Identifier: MIT
#include "storage/segment.h"

#include "catch.h"
#include "fault_calls.h"
#include "limited_descriptors.h"
#include "sample_segment.h"
#include "status_of.h"
#include "temporary_directory.h"

namespace springg::storage {

namespace {

using springg::testing::says;

std::unique_ptr<SegmentBuilder> builder_of(std::uint32_t rows) {
  return std::move(SegmentBuilder::create({2, Metric::kL2, ScalarType::kFloat32}, rows)).value();
}

IdColumn integers(std::initializer_list<std::uint64_t> values) {
  IdColumn ids;
  for (const std::uint64_t value : values) ids.append_integer(value);
  return ids;
}

}  // namespace

TEST_CASE("a segment is the same in memory, in its file, and written again from there") {
  const auto ids =
      GENERATE(SampleIds::kIntegers, SampleIds::kUuids, SampleIds::kStrings, SampleIds::kMixed);
  const auto settings = GENERATE(SegmentSettings{3, Metric::kCosine, ScalarType::kFloat32},
                                 SegmentSettings{1'000, Metric::kDot, ScalarType::kFloat16},
                                 SegmentSettings{13, Metric::kHamming, ScalarType::kBinary});
  const auto rows = GENERATE(0U, 1U, 250U);
  const SampleRows sample = sample_rows(rows, ids, settings);
  const testing::TemporaryDirectory directory;
  io::FileSystem& files = io::posix_file_system();
  auto built = build(sample);
  REQUIRE(built.ok());
  CHECK(difference(**built, sample) == "");
  CHECK_FALSE((*built)->mapped());
  CHECK_FALSE((*built)->uuid().nil());
  CHECK(((*built)->inverse_norms().chunks != nullptr) == (settings.metric == Metric::kCosine));

  auto size = (*built)->write(files, directory.path());
  REQUIRE(size.ok());
  auto opened = open_segment(files, directory.path(), (*built)->uuid(), *size);
  REQUIRE(opened.ok());
  CHECK(difference(**opened, sample) == "");
  CHECK((*opened)->mapped());
  CHECK_FALSE((*opened)->graph_damaged());
  CHECK((*opened)->uuid() == (*built)->uuid());
  CHECK(reinterpret_cast<std::uintptr_t>((*opened)->graph().data()) % 64 == 0);

  const testing::TemporaryDirectory elsewhere;
  auto size_again = (*opened)->write(files, elsewhere.path());
  REQUIRE(size_again.ok());
  CHECK(*size_again == *size);
  auto reopened = open_segment(files, elsewhere.path(), (*built)->uuid(), *size);
  REQUIRE(reopened.ok());
  CHECK(difference(**reopened, sample) == "");
}

TEST_CASE("more lean segments than the process may have descriptors open all the same") {
  const SampleRows sample = sample_rows(20, SampleIds::kIntegers);
  const testing::TemporaryDirectory directory;
  io::FileSystem& files = io::posix_file_system();
  const auto built = std::move(build(sample)).value();
  const auto size = built->write(files, directory.path());
  REQUIRE(size.ok());
  const testing::LimitedDescriptors limit(64);
  std::vector<std::shared_ptr<const Segment>> segments;
  for (int i = 0; i < 100; ++i) {
    auto opened =
        open_segment(files, directory.path(), built->uuid(), *size, kCompareAll, Residency::kLean);
    REQUIRE(opened.ok());
    segments.push_back(std::move(opened).value());
  }
  CHECK(segments.front()->row_reader() != nullptr);
  CHECK(segments.back()->row_reader() == nullptr);
  CHECK(difference(*segments.back(), sample) == "");
}

TEST_CASE("an opened segment outlives its file") {
  const SampleRows sample = sample_rows(20, SampleIds::kMixed);
  auto files = io::make_memory_file_system();
  std::shared_ptr<const Segment> segment;
  {
    const auto built = std::move(build(sample)).value();
    auto size = built->write(*files, "/");
    REQUIRE(size.ok());
    segment = std::move(open_segment(*files, "/", built->uuid(), *size)).value();
    REQUIRE(files->remove("/" + segment_file_name(built->uuid())).ok());
  }
  files.reset();
  CHECK(difference(*segment, sample) == "");
}

TEST_CASE("without metadata or graph there are none") {
  const auto builder = builder_of(2);
  builder->sequences()[0] = 5;
  builder->sequences()[1] = 6;
  CHECK(builder->inverse_norms() == nullptr);
  REQUIRE(builder->set_ids(integers({7, 8})).ok());
  CHECK(builder->find({IdKind::kInteger, integers({8})[0].bytes}) == 1U);
  const auto segment = std::move(builder->finish()).value();
  CHECK_FALSE(segment->has_metadata(1));
  CHECK(segment->metadata(1).empty());
  CHECK(segment->graph().empty());
  CHECK(segment->bytes().vectors == 16);
  CHECK(segment->bytes().metadata == 0);
  CHECK(segment->bytes().ids == 2 * 8 + 4 * 4);
  CHECK(segment->bytes().other == 16);
  auto files = io::make_memory_file_system();
  auto size = segment->write(*files, "/");
  REQUIRE(size.ok());
  auto opened = open_segment(*files, "/", segment->uuid(), *size);
  REQUIRE(opened.ok());
  CHECK_FALSE((*opened)->has_metadata(1));
}

TEST_CASE("memory from the builder is zeroed, and tables stay with the segment") {
  auto builder = builder_of(3);
  for (std::size_t i = 0; i < 3 * 8; ++i) CHECK(builder->vectors()[i] == std::byte{0});
  for (std::size_t row = 0; row < 3; ++row) builder->sequences()[row] = row + 1;
  const base::RowTable table = builder->vector_table();
  CHECK(table.row(2) == builder->vectors() + 16);
  REQUIRE(builder->set_ids(integers({1, 2, 3})).ok());
  const auto segment = std::move(builder->finish()).value();
  builder.reset();
  CHECK(table.row(2) == segment->vectors().row(2));
  CHECK(table.row(0)[0] == std::byte{0});
}

TEST_CASE("the builder refuses what it cannot hold") {
  CHECK(SegmentBuilder::create({0, Metric::kL2, ScalarType::kFloat32}, 1).status().code() ==
        ErrorCode::kInvalidArgument);
  CHECK(SegmentBuilder::create({65'537, Metric::kL2, ScalarType::kFloat32}, 1).status().code() ==
        ErrorCode::kInvalidArgument);
  CHECK(SegmentBuilder::create({1, Metric::kL2, ScalarType::kFloat32}, 0x8000'0000U)
            .status()
            .code() == ErrorCode::kResourceExhausted);
  const auto huge =
      SegmentBuilder::create({65'536, Metric::kL2, ScalarType::kFloat32}, 0x7fff'ffffU);
  CHECK(huge.status().code() == ErrorCode::kResourceExhausted);
}

TEST_CASE("ids must be as many as rows, distinct and of a legal length") {
  const auto builder = builder_of(3);
  CHECK(builder->set_ids(integers({1, 2})).code() == ErrorCode::kInternal);
  const Status twice = builder->set_ids(integers({1, 2, 1}));
  CHECK(twice.code() == ErrorCode::kAlreadyExists);
  CHECK(says(twice, "id 1 comes twice"));
  CHECK(testing::integer_detail(twice, "row") == 2);
  IdColumn ids;
  ids.append_string("a");
  ids.append_string("");
  ids.append_string("c");
  const Status empty = builder->set_ids(ids);
  CHECK(empty.code() == ErrorCode::kInvalidArgument);
  CHECK(testing::integer_detail(empty, "row") == 1);
  IdColumn long_ids;
  long_ids.append_string(std::string(512, 'x'));
  long_ids.append_string(std::string(513, 'x'));
  long_ids.append_string("c");
  CHECK(says(builder->set_ids(long_ids), "expected 1 to 512 bytes, got 513"));
}

TEST_CASE("a segment is finished once, with ids and rising sequences") {
  const auto builder = builder_of(2);
  builder->sequences()[0] = 9;
  builder->sequences()[1] = 9;
  CHECK(says(builder->finish().status(), "segment has no ids"));
  REQUIRE(builder->set_ids(integers({1, 2})).ok());
  CHECK(says(builder->finish().status(), "sequence of row 1: expected above 9, got 9"));
  builder->sequences()[1] = 10;
  CHECK(builder->finish().ok());
  CHECK(builder->finish().status().code() == ErrorCode::kInternal);
}

TEST_CASE("metadata must be as many entries as rows, none of them empty or over the limit") {
  const auto builder = builder_of(1);
  MetadataColumn none, empty, large;
  CHECK(builder->set_metadata(none).code() == ErrorCode::kInternal);
  empty.append("");
  CHECK(builder->set_metadata(empty).code() == ErrorCode::kInternal);
  large.append(std::string(65'537, ' '));
  CHECK(builder->set_metadata(large).code() == ErrorCode::kInternal);
}

TEST_CASE("whatever call fails, no segment appears and nothing is left behind") {
  const auto segment = std::move(build(sample_rows(10, SampleIds::kIntegers))).value();
  io::FaultFileSystem files;
  for (std::uint64_t call = 0;; ++call) {
    files.inject(testing::full_disk_after(call));
    const auto written = segment->write(files, "/");
    files.clear_faults();
    auto names = files.list("/");
    REQUIRE(names.ok());
    if (written.ok()) {
      CHECK(call > 5);
      CHECK(*names == std::vector<std::string>{segment_file_name(segment->uuid())});
      return;
    }
    CHECK(written.status().code() == ErrorCode::kResourceExhausted);
    CHECK(names->empty());
  }
}

}  // namespace springg::storage
