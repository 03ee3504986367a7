// SPDX-License-Identifier: MIT
#include "engine/vector_codec.h"

#include <cmath>
#include <cstring>
#include <sstream>
#include <string>

#include "kernels/dispatch.h"

namespace springg::engine {

namespace {

constexpr std::uint16_t kHalfExponent = 0x7c00;  // all ones: infinite or NaN

std::string spell(float value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::ostringstream text;
  text << value;
  return text.str();
}

std::size_t find_not_finite_half(const std::uint16_t* halves, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    if ((halves[i] & kHalfExponent) == kHalfExponent) return i;
  }
  return count;
}

}  // namespace

Status not_finite(std::string_view what, std::size_t row, std::size_t element, float value) {
  return invalid_argument(std::string(what) + " at row " + std::to_string(row) +
                          " is not finite: element " + std::to_string(element) + " is " +
                          spell(value))
      .with("row", static_cast<std::int64_t>(row))
      .with("element", static_cast<std::int64_t>(element));
}

VectorCodec::VectorCodec(const IndexOptions& options)
    : kernels_(kernels::active_table()),
      dtype_(options.dtype),
      dimensions_(options.dimensions),
      stored_bytes_(vector_bytes(options.dtype, options.dimensions)) {}

Status VectorCodec::encode(const float* vector, std::size_t row, std::byte* out,
                           float* norm) const {
  return dtype_ == ScalarType::kFloat16 ? encode_float16(vector, row, out, norm)
                                        : encode_float32(vector, row, out, norm);
}

Status VectorCodec::encode_float32(const float* vector, std::size_t row, std::byte* out,
                                   float* norm) const {
  std::memcpy(out, vector, stored_bytes_);
  const auto* copy = reinterpret_cast<const float*>(out);
  const std::size_t bad = kernels_.find_not_finite(copy, dimensions_);
  if (bad != dimensions_) return not_finite("vector", row, bad, copy[bad]);
  if (norm != nullptr) *norm = ann::inverse_norm(copy, dimensions_);
  return {};
}

Status VectorCodec::encode_float16(const float* vector, std::size_t row, std::byte* out,
                                   float* norm) const {
  auto* copy = reinterpret_cast<std::uint16_t*>(out);
  kernels_.float_to_half(vector, dimensions_, copy);
  const std::size_t bad = find_not_finite_half(copy, dimensions_);
  if (bad != dimensions_) {
    const float value = vector[bad];
    if (!std::isfinite(value)) return not_finite("vector", row, bad, value);
    return invalid_argument("vector at row " + std::to_string(row) +
                            " does not fit float16: element " + std::to_string(bad) + " is " +
                            spell(value) + ", the largest is 65504")
        .with("row", static_cast<std::int64_t>(row))
        .with("element", static_cast<std::int64_t>(bad));
  }
  if (norm != nullptr) {
    std::vector<float> stored(dimensions_);
    kernels_.half_to_float(copy, dimensions_, stored.data());
    *norm = ann::inverse_norm(stored.data(), dimensions_);
  }
  return {};
}

void VectorCodec::decode(const std::byte* stored, float* out) const noexcept {
  if (dtype_ == ScalarType::kFloat16) {
    kernels_.half_to_float(reinterpret_cast<const std::uint16_t*>(stored), dimensions_, out);
  } else {
    std::memcpy(out, stored, stored_bytes_);
  }
}

}  // namespace springg::engine
