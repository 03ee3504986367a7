// SPDX-License-Identifier: MIT
// A delta file from outside. What is read has rows in order and within the segment.
#include <cstdlib>

#include "container_input.h"
#include "storage/delta.h"

using namespace springg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint32_t kRows = 10;
  storage::OneFile file(fuzz::container(storage::FileKind::kDelta, data, size));
  const auto read = storage::read_delta(file, "/d", fuzz::kUuid, kRows);
  if (!read.ok()) return 0;
  const storage::Delta& delta = read.value();
  std::int64_t before = -1;
  for (const std::uint32_t row : delta.deleted) {
    if (row >= kRows || row <= before) std::abort();
    before = row;
  }
  before = -1;
  for (const auto& [row, text] : delta.metadata) {
    if (row >= kRows || row <= before) std::abort();
    before = row;
  }
  return 0;
}
