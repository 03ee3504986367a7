// SPDX-License-Identifier: MIT
// A .npy file from outside. Its data, where the layout says it lies, must be there.
#include <cstdlib>

#include "springg/vector_files.h"

using namespace springg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto layout = parse_npy(std::as_bytes(std::span(data, size)));
  if (!layout.ok()) return 0;
  const NpyLayout& npy = layout.value();
  if (npy.data_offset > size || npy.data_bytes > size - npy.data_offset) std::abort();
  return 0;
}
