// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quant/codes.h"

namespace springg::quant {

// A query made ready for the codes of one segment: its elements become signed bytes.
class CodeQuery {
 public:
  // `query`: dimensions floats, of unit length for cosine. Allocates when it is longer than those
  // before.
  void prepare(const Codes& codes, const float* query);
  // False for a query beyond what the arithmetic bears: search the vectors.
  bool usable() const noexcept { return usable_; }
  // Standard deviation of the estimated ranks around the true ones.
  float deviation() const noexcept { return deviation_; }
  // ranks[i] = estimated rank of row numbers[i], whose codes are at rows[i], in the order of ann's
  // ranks. count <= 128.
  void rank(const Codes& codes, const std::byte* const* rows, const std::uint32_t* numbers,
            std::size_t count, float* ranks) const noexcept;

 private:
  float shift(const Codes& codes, const float* query);

  std::vector<std::int8_t> query_;  // padded with zeros
  std::vector<float> shifted_, room_;
  float base_ = 0;
  float scale_ = 0;
  float add_scale_ = 1;
  std::uint32_t offset_ = 0;  // level i is 2 * code i - last: what the last ones come to, mod 2^32
  float deviation_ = 0;
  bool usable_ = false;
};

}  // namespace springg::quant
