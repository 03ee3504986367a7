// SPDX-License-Identifier: MIT
// Between the caller's rows and the form in which an index keeps vectors.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "ann/space.h"
#include "kernels/distance_table.h"
#include "springg/options.h"
#include "springg/status.h"

namespace springg::engine {

class VectorCodec {
 public:
  explicit VectorCodec(const IndexOptions& options);

  std::size_t stored_bytes() const noexcept { return stored_bytes_; }
  // Copies row `row` of `vectors` to `out` and validates the copy (the caller's memory may be
  // changing). Writes its inverse norm when `norm` is not null. kInvalidArgument names the row, the
  // element and its value. Precondition: check_vectors().
  Status encode(const MatrixView& vectors, std::size_t row, std::byte* out, float* norm) const;
  // Adds a stored vector to the end of `floats`, or of `bytes` where the dtype is one of bytes.
  void append(const std::byte* stored, std::vector<float>& floats,
              std::vector<std::byte>& bytes) const;
  // Takes the memory for `rows` of append().
  void reserve(std::size_t rows, std::vector<float>& floats, std::vector<std::byte>& bytes) const;

 private:
  Status encode_float32(const float* vector, std::size_t row, std::byte* out, float* norm) const;
  Status encode_float16(const float* vector, std::size_t row, std::byte* out, float* norm) const;
  Status encode_bytes(const MatrixView& vectors, std::size_t row, std::byte* out) const;

  const kernels::DistanceTable& kernels_;
  ScalarType dtype_;
  std::size_t dimensions_;
  std::size_t stored_bytes_;
};

// The error of a vector with an element that is not finite.
Status not_finite(std::string_view what, std::size_t row, std::size_t element, float value);

// kInvalidArgument when one of the bits that fill up the last byte of a packed vector is set.
Status check_padding(std::string_view what, std::size_t row, const std::byte* bits,
                     std::size_t dimensions);

// kDimensionMismatch for rows of another width than the index's; kInvalidArgument for rows of a
// type that it does not take: it takes its own dtype where that is one of bytes, and float32 unless
// that is kBinary.
Status check_vectors(const IndexOptions& index, const MatrixView& vectors);

}  // namespace springg::engine
