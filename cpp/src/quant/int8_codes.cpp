// SPDX-License-Identifier: MIT
#include "quant/int8_codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/dispatch.h"

namespace springg::quant {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr int kOffset = 128;
constexpr int kLevels = 127;
constexpr std::uint32_t kCenterRowsMax = 4096;
constexpr double kNormScale = 1024.0;  // of ann::inverse_norm()
constexpr float kGreatest = 1e15F;
constexpr float kLeast = 1e-15F;

// Behind the codes of a row, at the end of its stride.
struct Factors {
  float factor;
  float add;
};

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}
std::size_t stride_of(std::uint32_t dimensions) { return aligned(dimensions + sizeof(Factors)); }
std::size_t center_bytes(std::uint32_t dimensions) { return aligned(dimensions * sizeof(float)); }

float greatest_of(const float* values, std::size_t count) {
  float greatest = 0;
  for (std::size_t i = 0; i < count; ++i) greatest = std::max(greatest, std::abs(values[i]));
  return greatest;
}

int code_of(float value, float inverse) {
  return static_cast<int>(std::nearbyint(value * inverse));
}

}  // namespace

bool has_int8_codes(Metric metric) noexcept {
  return metric == Metric::kCosine || metric == Metric::kDot || metric == Metric::kL2;
}

std::size_t int8_bytes(std::uint32_t dimensions, std::uint32_t rows) noexcept {
  return center_bytes(dimensions) + std::size_t{rows} * stride_of(dimensions);
}

std::optional<Int8Codes> open_int8(std::span<const std::byte> bytes, std::uint32_t rows,
                                   std::uint32_t dimensions, Metric metric) noexcept {
  if (bytes.size() != int8_bytes(dimensions, rows)) return std::nullopt;
  return Int8Codes{dimensions, metric, reinterpret_cast<const float*>(bytes.data()),
                   bytes.data() + center_bytes(dimensions), stride_of(dimensions)};
}

Int8Encoder::Int8Encoder(const Int8Source& source, std::span<std::byte> bytes)
    : source_(source),
      center_(reinterpret_cast<float*>(bytes.data())),
      rows_(bytes.data() + center_bytes(source.dimensions)),
      stride_(stride_of(source.dimensions)) {
  const std::uint32_t taken = std::min(source.rows, kCenterRowsMax);
  std::vector<double> sums(source.dimensions);
  std::vector<float> row(source.dimensions);
  for (std::uint32_t i = 0; i < taken; ++i) {
    load(static_cast<std::uint32_t>(std::uint64_t{i} * source.rows / taken), row.data());
    for (std::size_t j = 0; j < row.size(); ++j) sums[j] += static_cast<double>(row[j]);
  }
  for (std::size_t j = 0; j < row.size(); ++j) {
    center_[j] = taken == 0 ? 0.0F : static_cast<float>(sums[j] / taken);
  }
}

void Int8Encoder::load(std::uint32_t row, float* out) const noexcept {
  const std::byte* const vector = source_.vectors.row(row);
  if (source_.dtype == ScalarType::kFloat16) {
    kernels::active_table().half_to_float(reinterpret_cast<const std::uint16_t*>(vector),
                                          source_.dimensions, out);
  } else {
    std::memcpy(out, vector, source_.dimensions * sizeof(float));
  }
  if (source_.metric != Metric::kCosine) return;
  float inverse = 0;
  std::memcpy(&inverse, source_.inverse_norms.row(row), sizeof inverse);
  const double factor = static_cast<double>(inverse) / kNormScale;
  for (std::size_t j = 0; j < source_.dimensions; ++j) {
    out[j] = static_cast<float>(static_cast<double>(out[j]) * factor);
  }
}

bool Int8Encoder::encode(std::uint32_t first, std::uint32_t last) const {
  const std::size_t dimensions = source_.dimensions;
  std::vector<float> values(dimensions);
  for (std::uint32_t row = first; row < last; ++row) {
    load(row, values.data());
    for (std::size_t j = 0; j < dimensions; ++j) values[j] -= center_[j];
    const float greatest = greatest_of(values.data(), dimensions);
    // Written so that NaN is refused.
    if (!(greatest <= kGreatest) || (greatest < kLeast && greatest != 0)) return false;
    const float scale = greatest / kLevels;
    const float inverse = greatest == 0 ? 0.0F : kLevels / greatest;
    std::byte* const out = rows_ + std::size_t{row} * stride_;
    double squares = 0;
    for (std::size_t j = 0; j < dimensions; ++j) {
      out[j] = static_cast<std::byte>(code_of(values[j], inverse) + kOffset);
      squares += static_cast<double>(values[j]) * static_cast<double>(values[j]);
    }
    const bool l2 = source_.metric == Metric::kL2;
    const Factors factors{l2 ? 2 * scale : scale, l2 ? static_cast<float>(squares) : 0.0F};
    std::memcpy(out + stride_ - sizeof factors, &factors, sizeof factors);
  }
  return true;
}

void Int8Query::prepare(const Int8Codes& codes, const float* query) {
  const std::size_t dimensions = codes.dimensions;
  const std::size_t padded = aligned(dimensions);
  query_.assign(padded, 0);
  shifted_.assign(query, query + dimensions);
  double base = 0;
  if (codes.metric == Metric::kL2) {
    for (std::size_t j = 0; j < dimensions; ++j) {
      shifted_[j] -= codes.center[j];
      base += static_cast<double>(shifted_[j]) * static_cast<double>(shifted_[j]);
    }
  } else {
    for (std::size_t j = 0; j < dimensions; ++j) {
      base -= static_cast<double>(query[j]) * static_cast<double>(codes.center[j]);
    }
    if (codes.metric == Metric::kCosine) base += 1;
  }
  const float greatest = greatest_of(shifted_.data(), dimensions);
  usable_ = greatest <= kGreatest && (greatest >= kLeast || greatest == 0) &&
            std::abs(base) <= static_cast<double>(kGreatest) * static_cast<double>(kGreatest);
  if (!usable_) return;
  base_ = static_cast<float>(base);
  scale_ = greatest / kLevels;
  const float inverse = greatest == 0 ? 0.0F : kLevels / greatest;
  std::int32_t sum = 0;
  for (std::size_t j = 0; j < dimensions; ++j) {
    const int code = code_of(shifted_[j], inverse);
    query_[j] = static_cast<std::int8_t>(code);
    sum += code;
  }
  offset_ = sum * kOffset;
}

void Int8Query::rank(const Int8Codes& codes, const std::byte* const* rows, std::size_t count,
                     float* ranks) const noexcept {
  constexpr std::size_t kBlock = 128;
  std::int32_t products[kBlock];
  kernels::active_table().code_gather(query_.data(), rows, count, query_.size(), products);
  for (std::size_t i = 0; i < count; ++i) {
    Factors factors;
    std::memcpy(&factors, rows[i] + codes.stride - sizeof factors, sizeof factors);
    const auto product = static_cast<float>(products[i] - offset_);
    ranks[i] = base_ + factors.add - factors.factor * scale_ * product;
  }
}

}  // namespace springg::quant
