// SPDX-License-Identifier: MIT
// A segment file from outside: opened, or refused; what opens can be read to its last byte.
#include <cstdlib>
#include <string>

#include "container_input.h"
#include "storage/segment.h"

using namespace springg;

namespace {

// Longer than any id may be.
const std::string kAbsent(600, 'x');

// Reads every byte that the segment says it has, so that AddressSanitizer sees each. The hash is a
// call into a library: none of it can be optimised away.
void read_all(const storage::Segment& segment) {
  base::xxh3(segment.graph());
  base::xxh3(std::as_bytes(segment.sequences()));
  const std::size_t row_bytes =
      vector_bytes(segment.settings().dtype, segment.settings().dimensions);
  for (std::uint32_t row = 0; row < segment.rows(); ++row) {
    base::xxh3(std::span(segment.vectors().row(row), row_bytes));
    if (segment.settings().metric == Metric::kCosine) {
      base::xxh3(std::span(segment.inverse_norms().row(row), sizeof(float)));
    }
    base::xxh3(segment.metadata(row));
    const IdView id = segment.id(row);
    base::xxh3(id.bytes);
    const auto found = segment.find(id);
    if (found && !(segment.id(*found) == id)) std::abort();
  }
  if (segment.find({IdKind::kString, kAbsent})) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const storage::Bytes bytes = fuzz::container(storage::FileKind::kSegment, data, size);
  storage::OneFile file(bytes);
  const auto opened = storage::open_segment(file, "/d", fuzz::kUuid, bytes.size());
  if (opened.ok()) read_all(*opened.value());
  return 0;
}
