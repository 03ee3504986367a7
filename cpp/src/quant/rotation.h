// SPDX-License-Identifier: MIT
// A rotation that spreads what a few dimensions hold over all, so that no element of a vector is
// far greater than the others: three rounds of a permutation, signs, and Hadamard transforms of 16
// elements each, an eighth of a microsecond for each 64 elements or less. Distances and products
// are as before, up to rounding. After Ailon & Chazelle, "The fast Johnson-Lindenstrauss
// transform", 2009, with blocks in the place of one transform of a power of two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace springg::quant {

// Fixed for a number of elements: whoever rotates with an equal number rotates alike.
class Rotation {
 public:
  // `elements`: a multiple of 64. Kept for the process; waits for whoever makes the first.
  static const Rotation& of(std::uint32_t elements);

  // `values`: elements of them, in place; `work`: room for as many.
  void apply(float* values, float* work) const noexcept;

 private:
  explicit Rotation(std::uint32_t elements);

  static constexpr std::size_t kRounds = 3;
  std::uint32_t elements_;
  std::vector<std::uint32_t> sources_;  // a round after the other: where each element comes from
  std::vector<float> signs_;            // 1/4 or -1/4, the transform's scale with it
};

}  // namespace springg::quant
