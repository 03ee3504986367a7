// SPDX-License-Identifier: MIT
// Layouts of foreign vector files, read from their bytes: where the rows lie and of what type they
// are. Nothing is copied; every length is checked against the bytes at hand. Errors are
// kCorruption with the offset, or kUnsupported for dtypes and layouts that springg does not take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "springg/status.h"

namespace springg {

// A .npy array (NumPy format 1.0, 2.0, 3.0).
struct NpyLayout {
  std::string descr;  // numpy's type string, "<f4" for little-endian float32
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
  std::uint64_t data_offset = 0;
  std::uint64_t data_bytes = 0;
};
Result<NpyLayout> parse_npy(std::span<const std::byte> file);

// .fvecs, .ivecs (4-byte elements) and .bvecs (1-byte): each row is an int32 width, then elements.
struct VecsLayout {
  std::uint64_t rows = 0;
  std::uint64_t dimensions = 0;
  std::uint64_t row_bytes = 0;  // 4 + dimensions * element size; elements start 4 bytes in
};
Result<VecsLayout> parse_vecs(std::span<const std::byte> file, std::size_t element_bytes);

}  // namespace springg
