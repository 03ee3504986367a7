// SPDX-License-Identifier: MIT
// Between the caller's float32 and the form in which an index keeps vectors.
#pragma once

#include <cstddef>
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
  // Copies one vector to `out` and validates the copy (the caller's memory may be changing). Writes
  // its inverse norm when `norm` is not null. kInvalidArgument names row `row`, element and value.
  Status encode(const float* vector, std::size_t row, std::byte* out, float* norm) const;
  void decode(const std::byte* stored, float* out) const noexcept;

 private:
  Status encode_float32(const float* vector, std::size_t row, std::byte* out, float* norm) const;
  Status encode_float16(const float* vector, std::size_t row, std::byte* out, float* norm) const;

  const kernels::DistanceTable& kernels_;
  ScalarType dtype_;
  std::size_t dimensions_;
  std::size_t stored_bytes_;
};

// The error of a vector with an element that is not finite.
Status not_finite(std::string_view what, std::size_t row, std::size_t element, float value);

}  // namespace springg::engine
