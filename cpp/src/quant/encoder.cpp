// SPDX-License-Identifier: MIT
#include "quant/encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/dispatch.h"

namespace springg::quant {

namespace {

constexpr std::uint32_t kCenterRowsMax = 4096;
constexpr std::uint32_t kSampleRowsMax = 512;
constexpr double kNormScale = 1024.0;  // of ann::inverse_norm()
constexpr float kGreatest = 1e15F;
constexpr float kLeast = 1e-15F;
// A rotation costs each query some time: it is for rows whose errors it makes smaller by this.
constexpr double kWorthRotating = 0.8;
// Where the outermost levels of codes of half a byte are tried, in standard deviations: around the
// least squared error of normally distributed elements.
constexpr std::array<double, 6> kClips{1.75, 2.0, 2.25, 2.5, 2.75, 3.0};

float greatest_of(const std::vector<float>& values) {
  float greatest = 0;
  for (const float value : values) greatest = std::max(greatest, std::abs(value));
  return greatest;
}

}  // namespace

Encoder::Encoder(const CodeSource& source, CodeKind kind, std::span<std::byte> bytes)
    : source_(source),
      kind_(kind),
      layout_(kind, source.metric, source.dimensions, source.rows),
      bytes_(bytes.data()) {
  find_center();
  choose_rotation();
}

void Encoder::load(std::uint32_t row, float* out) const noexcept {
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

void Encoder::find_center() {
  const std::uint32_t taken = std::min(source_.rows, kCenterRowsMax);
  std::vector<double> sums(source_.dimensions);
  std::vector<float> row(source_.dimensions);
  for (std::uint32_t i = 0; i < taken; ++i) {
    load(static_cast<std::uint32_t>(std::uint64_t{i} * source_.rows / taken), row.data());
    for (std::size_t j = 0; j < row.size(); ++j) sums[j] += static_cast<double>(row[j]);
  }
  auto* const center = reinterpret_cast<float*>(bytes_ + layout_.center_at);
  for (std::size_t j = 0; j < row.size(); ++j) {
    center[j] = taken == 0 ? 0.0F : static_cast<float>(sums[j] / taken);
  }
}

void Encoder::choose_rotation() {
  const Rotation& rotation = Rotation::of(layout_.padded);
  double squares = 0;
  double missed = missed_of_sample(nullptr, squares);
  const double missed_rotated = missed_of_sample(&rotation, squares);
  if (kind_ == CodeKind::kBit || missed_rotated < kWorthRotating * missed) {
    rotation_ = &rotation;
    missed = missed_rotated;
  }
  CodeHeader header;
  header.kind = kind_;
  header.metric = source_.metric;
  header.rotated = rotation_ == nullptr ? 0 : 1;
  header.dimensions = source_.dimensions;
  header.rows = source_.rows;
  header.error = static_cast<float>(std::sqrt(missed / layout_.padded));
  header.length = static_cast<float>(std::sqrt(squares));
  std::memcpy(bytes_, &header, sizeof header);
}

// Means over the sample of the squared error of a row and of its squared length.
double Encoder::missed_of_sample(const Rotation* rotation, double& squares) const {
  const std::uint32_t taken = std::min(source_.rows, kSampleRowsMax);
  Work work(layout_.padded);
  double missed = 0;
  squares = 0;
  std::uint32_t counted = 0;
  for (std::uint32_t i = 0; i < taken; ++i) {
    const auto row = static_cast<std::uint32_t>(std::uint64_t{i} * source_.rows / taken);
    if (!quantize(row, rotation, work)) continue;
    missed += work.missed;
    squares += work.squares;
    ++counted;
  }
  squares /= std::max(counted, 1U);
  return missed / std::max(counted, 1U);
}

bool Encoder::quantize(std::uint32_t row, const Rotation* rotation, Work& work) const {
  const std::size_t dimensions = source_.dimensions;
  const auto* const center = reinterpret_cast<const float*>(bytes_ + layout_.center_at);
  load(row, work.y.data());
  work.squares = 0;
  work.of_center = 0;
  for (std::size_t j = 0; j < dimensions; ++j) {
    work.y[j] -= center[j];
    work.squares += static_cast<double>(work.y[j]) * static_cast<double>(work.y[j]);
    work.of_center += static_cast<double>(work.y[j]) * static_cast<double>(center[j]);
  }
  std::fill(work.y.begin() + static_cast<std::ptrdiff_t>(dimensions), work.y.end(), 0.0F);
  float greatest = greatest_of(work.y);
  // A NaN shows in the sum alone.
  if (!std::isfinite(work.squares) || greatest > kGreatest) return false;
  if (greatest < kLeast && greatest != 0) return false;
  work.factor = 0;
  work.missed = 0;
  if (greatest == 0) return true;  // any codes will do: their factor is 0
  if (rotation != nullptr) {
    rotation->apply(work.y.data(), work.room.data());
    greatest = greatest_of(work.y);
  }
  double best_angle = 0;
  if (kind_ != CodeKind::kHalfByte) {
    try_levels(greatest, work, best_angle);
    return true;
  }
  const double deviation = std::sqrt(work.squares / static_cast<double>(layout_.padded));
  for (const double clip : kClips) {
    // Levels beyond the greatest element would be wasted.
    try_levels(std::min(static_cast<float>(clip * deviation), greatest), work, best_angle);
  }
  return true;
}

// Keeps the codes whose outermost levels stand for `greatest` when they are nearer to y's direction
// than those of before: `best_angle` is the square of the cosine between them.
void Encoder::try_levels(float greatest, Work& work, double& best_angle) const {
  const auto last = static_cast<int>(last_level(kind_));
  const float inverse = static_cast<float>(last) / greatest;
  const float half = static_cast<float>(last) * 0.5F;
  double product = 0;  // <y, u>
  double squares = 0;  // |u|^2
  for (std::size_t j = 0; j < layout_.padded; ++j) {
    const float code = std::nearbyint(work.y[j] * inverse * 0.5F + half);
    const float kept = std::clamp(code, 0.0F, static_cast<float>(last));
    const double level = 2 * static_cast<double>(kept) - last;
    work.tried[j] = static_cast<std::uint8_t>(kept);
    product += level * static_cast<double>(work.y[j]);
    squares += level * level;
  }
  const double angle = product * product / (squares * work.squares);
  if (angle <= best_angle) return;
  best_angle = angle;
  work.best.swap(work.tried);
  work.factor = static_cast<float>(work.squares / product);
  // Of the scaled levels f u: |f u - y|^2 = |y|^2 (1 / angle - 1).
  work.missed = work.squares * (1 / std::min(angle, 1.0) - 1);
}

void Encoder::write(std::uint32_t row, const Work& work) const {
  auto* const out =
      reinterpret_cast<std::uint8_t*>(bytes_ + layout_.rows_at) + std::size_t{row} * layout_.stride;
  // The rows are zeroed.
  const std::uint32_t together = codes_a_byte(kind_);
  const std::uint8_t* code = work.best.data();
  for (std::size_t block = 0; block < layout_.stride; block += kernels::kCodeBlockBytes) {
    for (std::uint32_t c = 0; c < together; ++c) {
      const std::uint32_t shift = c * static_cast<std::uint32_t>(kind_);
      for (std::size_t j = 0; j < kernels::kCodeBlockBytes; ++j) {
        out[block + j] = static_cast<std::uint8_t>(out[block + j] | (*code++ << shift));
      }
    }
  }
  auto* const factors = reinterpret_cast<float*>(bytes_ + layout_.factors_at) +
                        std::size_t{row} * layout_.factor_width;
  factors[0] = work.factor;
  if (source_.metric == Metric::kL2) {
    factors[0] *= 2;
    factors[1] = static_cast<float>(work.squares);
  } else if (has_add(kind_, source_.metric)) {
    factors[1] = static_cast<float>(-work.of_center);
  }
}

bool Encoder::encode(std::uint32_t first, std::uint32_t last) const {
  Work work(layout_.padded);
  for (std::uint32_t row = first; row < last; ++row) {
    if (!quantize(row, rotation_, work)) return false;
    write(row, work);
  }
  return true;
}

}  // namespace springg::quant
