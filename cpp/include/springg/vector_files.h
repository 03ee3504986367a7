// SPDX-License-Identifier: MIT
// Layouts of foreign vector files, read from their bytes: where the rows lie and of what type they
// are. Parsing copies nothing; every length is checked against the bytes at hand. Errors are
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

// NAME.bin of the Go Springg. A record is u32 bytes of the id, the id, then float32 elements that
// are aligned to nothing. Ids are not checked: any bytes, of any length, twice.
struct Springg1Layout {
  std::uint64_t dimensions = 0;
  std::vector<std::uint64_t> records;  // where each begins, ascending
};
Result<Springg1Layout> parse_springg1(std::span<const std::byte> file);

// Copies the vectors of some records, in the order given, to `out`: records.size() x dimensions.
// Every offset is checked again, so that they may come from anywhere; on kCorruption the rows
// before it are in `out`.
Status copy_springg1_vectors(std::span<const std::byte> file,
                             std::span<const std::uint64_t> records, std::size_t dimensions,
                             float* out);

}  // namespace springg
