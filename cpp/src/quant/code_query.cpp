// SPDX-License-Identifier: MIT
#include "quant/code_query.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/dispatch.h"

namespace springg::quant {

namespace {

constexpr int kLevels = 127;
constexpr float kGreatest = 1e15F;
constexpr float kLeast = 1e-15F;
// Rounding to a step loses an error of this many steps (root of the mean square).
constexpr double kRoundingError = 0.288675;  // 1 / sqrt(12)

// For |value| <= 127. Adding 1.5 * 2^23 leaves no bits behind the point.
std::int32_t nearest_integer(float value) noexcept {
  return std::bit_cast<std::int32_t>(value + 0x1.8p23F) - 0x4B40'0000;
}

}  // namespace

// The difference from the center where the metric is one of differences, and the part of the rank
// that all rows share.
void CodeQuery::shift(const Codes& codes, const float* query, double& base) {
  const std::size_t dimensions = codes.dimensions;
  shifted_.resize(codes.padded);
  std::copy(query, query + dimensions, shifted_.begin());
  std::fill(shifted_.begin() + static_cast<std::ptrdiff_t>(dimensions), shifted_.end(), 0.0F);
  base = codes.metric == Metric::kCosine ? 1 : 0;
  if (codes.metric == Metric::kL2) {
    for (std::size_t j = 0; j < dimensions; ++j) {
      shifted_[j] -= codes.center[j];
      base += static_cast<double>(shifted_[j]) * static_cast<double>(shifted_[j]);
    }
    return;
  }
  for (std::size_t j = 0; j < dimensions; ++j) {
    base -= static_cast<double>(query[j]) * static_cast<double>(codes.center[j]);
  }
}

void CodeQuery::prepare(const Codes& codes, const float* query) {
  double base = 0;
  shift(codes, query, base);
  float greatest = 0;
  for (const float value : shifted_) greatest = std::max(greatest, std::abs(value));
  usable_ = greatest <= kGreatest && (greatest >= kLeast || greatest == 0) &&
            std::abs(base) <= static_cast<double>(kGreatest) * static_cast<double>(kGreatest);
  if (!usable_) return;
  if (codes.rotation != nullptr) {
    room_.resize(codes.padded);
    codes.rotation->apply(shifted_.data(), room_.data());
    greatest = 0;
    for (const float value : shifted_) greatest = std::max(greatest, std::abs(value));
  }
  base_ = static_cast<float>(base);
  const float inverse = greatest == 0 ? 0.0F : kLevels / greatest;
  query_.resize(codes.padded);
  std::int32_t sum = 0;
  float squares = 0;
  for (std::size_t j = 0; j < codes.padded; ++j) {
    const std::int32_t code = nearest_integer(shifted_[j] * inverse);
    query_[j] = static_cast<std::int8_t>(code);
    sum += code;
    squares += shifted_[j] * shifted_[j];
  }
  scale_ = greatest / kLevels;
  offset_ = std::int64_t{sum} * (codes.kind == CodeKind::kByte ? 255 : 15);
  const double of_rows = std::sqrt(static_cast<double>(squares)) * static_cast<double>(codes.error);
  const double of_query =
      static_cast<double>(scale_) * kRoundingError * static_cast<double>(codes.length);
  const double deviation = std::sqrt(of_rows * of_rows + of_query * of_query);
  deviation_ = static_cast<float>(codes.metric == Metric::kL2 ? 2 * deviation : deviation);
}

void CodeQuery::rank(const Codes& codes, const std::byte* const* rows, const std::uint32_t* numbers,
                     std::size_t count, float* ranks) const noexcept {
  constexpr std::size_t kBlock = 128;
  std::int32_t products[kBlock];
  const kernels::DistanceTable& table = kernels::active_table();
  const auto gather =
      codes.kind == CodeKind::kByte ? table.code_gather : table.half_code_gather;
  gather(query_.data(), rows, count, codes.stride, products);
  const bool l2 = codes.factor_width == 2;
  for (std::size_t i = 0; i < count; ++i) {
    const float* const factors = codes.factors_of(numbers[i]);
    const std::int64_t product = 2 * std::int64_t{products[i]} - offset_;
    const float rank = base_ - factors[0] * scale_ * static_cast<float>(product);
    ranks[i] = l2 ? rank + factors[1] : rank;
  }
}

}  // namespace springg::quant
