// SPDX-License-Identifier: MIT
// The worked example of a log in docs/format.md is what the code writes, byte for byte.
#include "catch.h"
#include "page_lines.h"
#include "wal_sample.h"

namespace springg::storage {

namespace {

std::uint64_t example_random() { return 0x7766554433221199; }

// Two records in one file: `hello` of index 1, and no bytes of index 2, made when the first was on
// the disk.
Bytes example() {
  const auto files = io::make_memory_file_system();
  WalSettings settings = sample_settings();
  settings.store = *base::Uuid::parse("00112233-4455-4677-8899-aabbccddeeff");
  settings.random = example_random;
  settings.file_bytes_min = kSectorBytes;
  const auto log = std::move(WriteAheadLog::create(*files, settings, sample_clock)).value();
  const Bytes hello(bytes_of("hello").begin(), bytes_of("hello").end());
  REQUIRE(log->append({1, WalType::kRows, hello}).ok());
  REQUIRE(log->sync().ok());
  REQUIRE(log->append({2, WalType::kDelete, {}}).ok());
  REQUIRE(log->sync().ok());
  const auto mapped = std::move(files->map("/" + wal_file_name(1))).value();
  return {mapped->bytes().begin(), mapped->bytes().end()};
}

}  // namespace

TEST_CASE("the example of a log in docs/format.md is what is written") {
  const Bytes file = example();
  CHECK(file.size() == 512);  // as the page says
  check_lines_under("### A log by example", file);
}

}  // namespace springg::storage
