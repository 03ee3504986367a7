// SPDX-License-Identifier: MIT
#include "io/atomic_file.h"

#include <string>
#include <vector>

#include "catch.h"
#include "fault_calls.h"
#include "write_file.h"

namespace springg::io {

TEST_CASE("bytes are on the disk before the name is, and the name before the call returns") {
  FaultFileSystem files;
  const std::vector<std::byte> bytes(10);
  REQUIRE(testing::write_file(files, "/", "a", bytes).ok());
  CHECK(testing::call_names(files) ==
        std::vector<std::string>{"create", "append", "sync", "close", "rename", "sync_directory"});
}

TEST_CASE("a file that is not committed leaves nothing, whatever call failed") {
  for (std::uint64_t call = 0; call < 5; ++call) {
    FaultFileSystem files;
    files.inject(testing::full_disk_after(call));
    const Status status = testing::write_file(files, "/", "a", std::vector<std::byte>(10));
    CHECK(status.code() == ErrorCode::kResourceExhausted);
    CHECK(files.list("/").value().empty());
  }
  FaultFileSystem files;
  { CHECK(AtomicFile::create(files, "/a", 0).ok()); }
  CHECK(files.list("/").value().empty());
}

}  // namespace springg::io
