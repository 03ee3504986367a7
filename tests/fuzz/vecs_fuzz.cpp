// SPDX-License-Identifier: MIT
// A .fvecs, .ivecs or .bvecs file from outside. Its rows must be there.
#include <cstdlib>

#include "springg/vector_files.h"

using namespace springg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const std::size_t element_bytes : {std::size_t{1}, std::size_t{4}}) {
    const auto layout = parse_vecs(std::as_bytes(std::span(data, size)), element_bytes);
    if (!layout.ok()) continue;
    const VecsLayout& vecs = layout.value();
    if (vecs.rows * vecs.row_bytes != size) std::abort();
    if (vecs.row_bytes != 4 + vecs.dimensions * element_bytes) std::abort();
  }
  return 0;
}
