// SPDX-License-Identifier: MIT
// A .bin file of the Go Springg from outside. What the layout names must be there to be copied, and
// an offset that is made up must be refused or lie in the file.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "springg/vector_files.h"

using namespace springg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  const auto layout = parse_springg1(file);
  if (layout.ok()) {
    const Springg1Layout& found = layout.value();
    const std::size_t elements = found.records.size() * found.dimensions;
    if (elements * sizeof(float) > size) std::abort();
    std::vector<float> out(elements);
    if (!copy_springg1_vectors(file, found.records, found.dimensions, out.data()).ok()) {
      std::abort();
    }
  }
  if (size < sizeof(std::uint64_t)) return 0;
  std::uint64_t offset = 0;
  std::memcpy(&offset, data, sizeof offset);
  std::vector<float> row(3);
  (void)copy_springg1_vectors(file, std::span(&offset, 1), row.size(), row.data());
  return 0;
}
