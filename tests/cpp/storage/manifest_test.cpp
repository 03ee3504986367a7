// SPDX-License-Identifier: MIT
#include "storage/manifest.h"

#include "catch.h"
#include "fault_calls.h"
#include "file_bytes.h"
#include "status_of.h"
#include "storage/manifest_json.h"
#include "write_file.h"

namespace springg::storage {

namespace {

base::Uuid uuid_of(std::uint8_t last) {
  base::Uuid uuid;
  uuid.bytes[15] = last;
  return uuid;
}

Manifest sample(std::uint64_t generation = 42) {
  IndexEntry books{
      "b\xc3\xbc"
      "cher \"neu\"\\\n",
      uuid_of(2),
      3,
      9,
      {},
      118,
      {}};
  books.options = {384, Metric::kDot, ScalarType::kFloat16, Quantization::kInt8,
                   24,  300,          ~std::uint64_t{0}};
  books.segments = {{uuid_of(3), 100, 40'960, uuid_of(4)}, {uuid_of(5), 17, 36'864, {}}};
  books.tuning = SearchTuning{0.95, 0.9609375, 48, 10, 500};
  IndexEntry words{"words", uuid_of(6), 1, 7, {}, 1, {}};
  words.options.dimensions = 65'536;
  return {uuid_of(1), generation, 7, 12, 4, 1'700'000'000'123, {books, words}};
}

bool equal(const Manifest& a, const Manifest& b) {
  return encode_manifest(a) == encode_manifest(b);
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// Of a directory whose one manifest has this content.
Status read_content(std::string_view json, std::uint64_t generation = 42) {
  OneFile file(file_of(FileKind::kManifest, uuid_of(1),
                       {{1, 1, kRequired, {bytes_of(json).begin(), bytes_of(json).end()}}}));
  file.names = {manifest_file_name(generation)};
  return read_newest_manifest(file, "/d").status();
}

}  // namespace

TEST_CASE("a manifest comes back as it was published") {
  const auto files = io::make_memory_file_system();
  auto none = read_newest_manifest(*files, "/");
  REQUIRE(none.ok());
  CHECK_FALSE(none->has_value());
  REQUIRE(publish_manifest(*files, "/", sample()).ok());
  auto read = read_newest_manifest(*files, "/");
  REQUIRE(read.ok());
  REQUIRE(read->has_value());
  const Manifest& manifest = **read;
  CHECK(equal(manifest, sample()));
  CHECK(manifest.indexes[0].name == sample().indexes[0].name);
  CHECK(manifest.indexes[0].options == sample().indexes[0].options);
  CHECK(manifest.indexes[0].segments[0].delta == uuid_of(4));
  CHECK_FALSE(manifest.indexes[0].segments[1].delta);
  CHECK(manifest.indexes[0].tuning == sample().indexes[0].tuning);
  CHECK_FALSE(manifest.indexes[1].tuning);
  CHECK(manifest.indexes[0].log_ref == 3);
  CHECK(manifest.indexes[0].lsn == 9);
  CHECK(manifest.indexes[0].next_sequence == 118);
  CHECK(manifest.lsn == 7);
  CHECK(manifest.durable_lsn == 12);
  CHECK(manifest.next_log_ref == 4);
  CHECK(manifest.created_at_unix_ms == 1'700'000'000'123);
}

TEST_CASE("the highest generation counts, whatever else lies there") {
  const auto files = io::make_memory_file_system();
  CHECK(manifest_file_name(42) == "manifest-0000000000000042");
  for (const std::uint64_t generation : {9U, 10U, 100U}) {
    REQUIRE(publish_manifest(*files, "/", sample(generation)).ok());
  }
  for (const char* name :
       {"manifest-0000000000000999.tmp", "manifest-999", "manifest-", "manifest-00000000000009999",
        "manifest-000000000000099x", "manifest-+000000000000999", "manifest--000000000000999",
        "Manifest-0000000000000999", "xmanifest-0000000000000999", "LOCK"}) {
    REQUIRE(testing::write_file(*files, "/", name, {}).ok());
  }
  auto read = read_newest_manifest(*files, "/");
  REQUIRE(read.ok());
  CHECK((*read)->generation == 100);
}

TEST_CASE("a damaged manifest is an error, an older one is not taken") {
  const auto files = io::make_memory_file_system();
  REQUIRE(publish_manifest(*files, "/", sample(1)).ok());
  REQUIRE(testing::write_file(*files, "/", manifest_file_name(2), {}).ok());
  const auto read = read_newest_manifest(*files, "/");
  CHECK(read.status().code() == ErrorCode::kCorruption);
  CHECK(testing::text_detail(read.status(), "file") == "//manifest-0000000000000002");
}

TEST_CASE("a generation is published once") {
  const auto files = io::make_memory_file_system();
  REQUIRE(publish_manifest(*files, "/", sample()).ok());
  CHECK(publish_manifest(*files, "/", sample()).code() == ErrorCode::kAlreadyExists);
  CHECK(publish_manifest(*files, "/", sample(10'000'000'000'000'000)).code() ==
        ErrorCode::kResourceExhausted);
}

TEST_CASE("every flipped byte and every cut of a manifest is detected") {
  const auto files = io::make_memory_file_system();
  REQUIRE(publish_manifest(*files, "/", sample()).ok());
  const auto mapped = std::move(files->map("/" + manifest_file_name(42))).value();
  OneFile file(mapped->bytes());
  file.names = {manifest_file_name(42)};
  const std::size_t size = file.size();
  for (std::size_t i = 0; i < size; ++i) {
    file[i] ^= static_cast<std::byte>(1U << (i % 8));
    const Status status = read_newest_manifest(file, "/d").status();
    if (status.code() != ErrorCode::kCorruption || !testing::integer_detail(status, "offset")) {
      FAIL("byte " << i << ": " << status.message());
    }
    file[i] ^= static_cast<std::byte>(1U << (i % 8));
  }
  CHECK(read_newest_manifest(file, "/d").ok());
  for (std::size_t length = 0; length < size; ++length) {
    file.cut(length);
    if (read_newest_manifest(file, "/d").status().code() != ErrorCode::kCorruption) {
      FAIL("cut at " << length);
    }
  }
}

TEST_CASE("fields that are missing or out of range are damage that names them") {
  const std::string good = encode_manifest(sample());
  CHECK(read_content(good).ok());
  CHECK(read_content(replaced(good, "{\"store\"", "{\"later\":[1,{}],\"store\"")).ok());
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view field) {
    const Status status = read_content(replaced(good, from, to));
    INFO(status.message());
    return status.code() == ErrorCode::kCorruption && testing::says(status, field);
  };
  CHECK(refused("\"store\"", "\"sture\"", "'store'"));
  CHECK(refused("\"generation\":42", "\"generation\":\"42\"", "'generation'"));
  CHECK(refused("\"generation\":42", "\"generation\":43", "generation: expected 42, got 43"));
  CHECK(refused("\"lsn\":7", "\"lsn\":-7", "'lsn'"));
  CHECK(refused("\"lsn\":7", "\"lsn\":7.5", "'lsn'"));
  CHECK(refused("\"lsn\":9", "\"lsn\":6", "expected at least 7, got 6"));
  CHECK(refused("\"durable_lsn\":12", "\"durable_lsn\":6", "'durable_lsn'"));
  CHECK(refused("\"log_ref\":3", "\"log_ref\":4", "next_log_ref 4"));
  CHECK(refused("\"log_ref\":3", "\"log_ref\":1", "log_ref 1 "));
  CHECK(refused("\"log_ref\":3", "\"log_ref\":0", "'indexes[0].log_ref'"));
  CHECK(refused("\"indexes\":[", "\"indexes\":[5,", "'indexes[0].'"));
  CHECK(refused("\"dimensions\":384", "\"dimensions\":0", "'indexes[0].options.dimensions'"));
  CHECK(refused("\"dimensions\":65536", "\"dimensions\":65537",
                "'indexes[1].options.dimensions': expected 1 to 65536, got 65537"));
  CHECK(refused("\"dot\"", "\"dots\"", "metric"));
  CHECK(refused("\"float16\"", "16", "dtype"));
  CHECK(refused("\"int8\"", "null", "quantization"));
  CHECK(refused("\"m\":24", "\"m\":1", ".m'"));
  CHECK(refused("\"ef_construction\":300", "\"ef_construction\":4097", ".ef_construction'"));
  CHECK(refused("\"next_sequence\":118", "\"next_sequence\":0", "next_sequence"));
  CHECK(refused("\"rows\":100", "\"rows\":2147483648", "'indexes[0].segments[0].rows'"));
  CHECK(refused("\"delta\":\"0000", "\"delta\":\"xxxx", "delta"));
  CHECK(refused("\"name\":\"words\"", "\"name\":\"a\"", "comes after"));
  CHECK(refused("\"name\":\"words\"", "\"name\":\"\"", "index name"));
  CHECK(refused("\"segments\":[]", "\"segments\":{}", "'indexes[1].segments'"));
  CHECK(refused("000000000006", "000000000005", "comes twice"));
  CHECK(refused("}]", "}", "no JSON"));
  CHECK(read_content("").code() == ErrorCode::kCorruption);
  CHECK(read_content("[]").code() == ErrorCode::kCorruption);
  CHECK(read_content(std::string(100'000, '[')).code() == ErrorCode::kCorruption);
  CHECK(read_content(good, 41).code() == ErrorCode::kCorruption);
}

TEST_CASE("what a search was tuned to comes back to the bit, and is not needed") {
  Manifest manifest = sample();
  for (const double recall : {0.1, 1.0, 1.0 / 3, 5e-324, 0.9999999999999999}) {
    manifest.indexes[1].tuning = SearchTuning{recall, std::nullopt, 4096, 4096, 0};
    const auto read = decode_manifest(encode_manifest(manifest));
    REQUIRE(read.ok());
    CHECK(read->indexes[1].tuning == manifest.indexes[1].tuning);
  }
  const std::string good = encode_manifest(sample());
  const std::string_view tuning = R"("tuning":{"recall":0.95,"reached":0.9609375,"ef":48,"k":10,)";
  // As releases before it wrote manifests.
  const std::string before = replaced(good, std::string(tuning) + R"("queries":500},)", "");
  REQUIRE(decode_manifest(before).ok());
  CHECK_FALSE(decode_manifest(before)->indexes[0].tuning);
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view field) {
    const Status status = read_content(replaced(good, from, to));
    INFO(status.message());
    return status.code() == ErrorCode::kCorruption && testing::says(status, field);
  };
  CHECK(refused("0.95", "1.5", "'indexes[0].tuning.recall': expected 0 to 1"));
  CHECK(refused("0.95", "\"0.95\"", "'indexes[0].tuning.recall': expected a number"));
  CHECK(refused("0.9609375", "-1", "'indexes[0].tuning.reached'"));
  CHECK(refused("\"ef\":48", "\"ef\":4097", "'indexes[0].tuning.ef'"));
  CHECK(refused("\"ef\":48", "\"ef\":0", "'indexes[0].tuning.ef'"));
  CHECK(refused("\"k\":10", "\"k\":4097", "'indexes[0].tuning.k'"));
  CHECK(refused("\"queries\"", "\"query\"", "'indexes[0].tuning.queries'"));
  CHECK(refused(R"({"recall":0.95,"reached":0.9609375,"ef":48,"k":10,"queries":500})", "5",
                "'indexes[0].tuning.': expected an object"));
}

TEST_CASE("a manifest that could not be read again is not published") {
  const auto files = io::make_memory_file_system();
  Manifest manifest = sample();
  std::swap(manifest.indexes[0], manifest.indexes[1]);
  CHECK(publish_manifest(*files, "/", manifest).code() == ErrorCode::kInternal);
  manifest = sample();
  manifest.indexes[0].name = "\xff";
  CHECK(publish_manifest(*files, "/", manifest).code() == ErrorCode::kInternal);
  manifest = sample();
  manifest.indexes[1].options.dimensions = 0;
  CHECK(publish_manifest(*files, "/", manifest).code() == ErrorCode::kInternal);
  CHECK(files->list("/").value().empty());
}

TEST_CASE("whatever call fails, the old manifest counts until the new one has its name") {
  Status status;
  for (std::uint64_t failures = 0; failures < 20; ++failures) {
    io::FaultFileSystem files;
    REQUIRE(publish_manifest(files, "/", sample(1)).ok());
    files.inject(testing::full_disk_after(failures));
    status = publish_manifest(files, "/", sample(2));
    files.clear_faults();
    const std::vector<std::string> calls = testing::call_names(files);
    REQUIRE(calls.size() > 4);
    auto read = read_newest_manifest(files, "/");
    REQUIRE(read.ok());
    // Whether the disk has the name is unknown when the sync of the directory failed: it stays.
    const bool named = calls.back() == "sync_directory";
    CHECK((*read)->generation == (named ? 2 : 1));
    if (!status.ok()) continue;
    CHECK(std::vector<std::string>(calls.end() - 4, calls.end()) ==
          std::vector<std::string>{"sync", "close", "rename", "sync_directory"});
    break;
  }
  CHECK(status.ok());
}

}  // namespace springg::storage
