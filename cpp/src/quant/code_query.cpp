// SPDX-License-Identifier: MIT
#include "quant/code_query.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

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

// Elements are gone through in as many parts side by side, so that the compiler works on several at
// once. `padded` is a multiple of it.
constexpr std::size_t kParts = 16;

float greatest_of(const std::vector<float>& values) noexcept {
  float parts[kParts] = {};
  for (std::size_t i = 0; i < values.size(); i += kParts) {
    for (std::size_t p = 0; p < kParts; ++p) {
      const float value = std::abs(values[i + p]);
      parts[p] = value > parts[p] ? value : parts[p];
    }
  }
  return *std::max_element(parts, parts + kParts);
}

float squares_of(const std::vector<float>& values) noexcept {
  float parts[kParts] = {};
  for (std::size_t i = 0; i < values.size(); i += kParts) {
    for (std::size_t p = 0; p < kParts; ++p) parts[p] += values[i + p] * values[i + p];
  }
  return std::accumulate(parts, parts + kParts, 0.0F);
}

// codes[i] = values[i] * factor, rounded. Returns their sum.
std::int32_t round_to_codes(const std::vector<float>& values, float factor,
                            std::int8_t* codes) noexcept {
  const std::size_t count = values.size();
  const float* const value = values.data();
  for (std::size_t i = 0; i < count; ++i) {
    codes[i] = static_cast<std::int8_t>(nearest_integer(value[i] * factor));
  }
  return std::accumulate(codes, codes + count, std::int32_t{0});
}

kernels::CodeGather gather_of(const kernels::DistanceTable& table, CodeKind kind) noexcept {
  switch (kind) {
    case CodeKind::kByte: return table.code_gather;
    case CodeKind::kHalfByte: return table.half_code_gather;
    case CodeKind::kBit: break;
  }
  return table.bit_code_gather;
}

}  // namespace

// Takes from the query what rows have of the center (codes.h). Returns the part of the rank that
// all rows share.
float CodeQuery::shift(const Codes& codes, const float* query) {
  const std::size_t dimensions = codes.dimensions;
  shifted_.resize(codes.padded);
  std::copy(query, query + dimensions, shifted_.begin());
  std::fill(shifted_.begin() + static_cast<std::ptrdiff_t>(dimensions), shifted_.end(), 0.0F);
  add_scale_ = 1;
  if (codes.metric == Metric::kL2) {
    for (std::size_t j = 0; j < dimensions; ++j) shifted_[j] -= codes.center[j];
    return squares_of(shifted_);
  }
  const kernels::DistanceTable& table = kernels::active_table();
  const auto* const center = reinterpret_cast<const std::byte*>(codes.center);
  const auto& dot = table.float32[static_cast<std::size_t>(kernels::Measure::kDot)];
  float product = 0;
  dot.gather(query, &center, 1, dimensions, &product);
  if (has_add(codes.kind, codes.metric)) {
    float squares = 0;
    dot.gather(codes.center, &center, 1, dimensions, &squares);
    const float share = squares > 0 ? product / squares : 0.0F;
    add_scale_ = std::isfinite(share) ? share : 0.0F;
    for (std::size_t j = 0; j < dimensions; ++j) shifted_[j] -= add_scale_ * codes.center[j];
  }
  return codes.metric == Metric::kCosine ? 1 - product : 0 - product;
}

void CodeQuery::prepare(const Codes& codes, const float* query) {
  base_ = shift(codes, query);
  float greatest = greatest_of(shifted_);
  usable_ = greatest <= kGreatest && (greatest >= kLeast || greatest == 0) &&
            std::abs(base_) <= kGreatest * kGreatest;
  if (!usable_) return;
  if (codes.rotation != nullptr) {
    room_.resize(codes.padded);
    codes.rotation->apply(shifted_.data(), room_.data());
    greatest = greatest_of(shifted_);
  }
  query_.resize(codes.padded);
  const float inverse = greatest == 0 ? 0.0F : kLevels / greatest;
  const std::int32_t sum = round_to_codes(shifted_, inverse, query_.data());
  scale_ = greatest / kLevels;
  offset_ = static_cast<std::uint32_t>(sum) * last_level(codes.kind);
  const double length = std::sqrt(static_cast<double>(squares_of(shifted_)));
  const double of_rows = length * static_cast<double>(codes.error);
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
  const auto gather = gather_of(table, codes.kind);
  gather(query_.data(), rows, count, codes.stride, products);
  // Parts that are apart in memory are put together first: the rest is the same for all rows.
  float factors[kBlock];
  for (std::size_t i = 0; i < count; ++i) factors[i] = *codes.factors_of(numbers[i]);
  const float base = base_;
  const float scale = scale_;
  const std::uint32_t offset = offset_;
  for (std::size_t i = 0; i < count; ++i) {
    // Of at most 65,600 elements the difference fits, though its parts may not.
    const auto product =
        static_cast<std::int32_t>(2U * static_cast<std::uint32_t>(products[i]) - offset);
    ranks[i] = base - factors[i] * scale * static_cast<float>(product);
  }
  if (codes.factor_width == 1) return;
  const float add_scale = add_scale_;
  for (std::size_t i = 0; i < count; ++i) ranks[i] += add_scale * codes.factors_of(numbers[i])[1];
}

}  // namespace springg::quant
