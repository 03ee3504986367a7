// SPDX-License-Identifier: MIT
#include "engine/vector_codec.h"

#include <cmath>
#include <cstring>
#include <limits>
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

// Whole numbers that `T` holds; returns the index of the first that is none, or count.
template <class T>
std::size_t copy_whole(const float* values, std::size_t count, std::byte* out) noexcept {
  constexpr float kLow = std::numeric_limits<T>::min();
  constexpr float kHigh = std::numeric_limits<T>::max();
  for (std::size_t i = 0; i < count; ++i) {
    const float value = values[i];
    if (!(value >= kLow && value <= kHigh)) return i;
    const T whole = static_cast<T>(value);
    if (static_cast<float>(whole) != value) return i;
    out[i] = static_cast<std::byte>(whole);
  }
  return count;
}

Status does_not_fit(ScalarType dtype, std::size_t row, std::size_t element, float value) {
  const std::string expected = dtype == ScalarType::kFloat16 ? "the largest is 65504"
                               : dtype == ScalarType::kInt8 ? "expected a whole number of -128..127"
                                                            : "expected a whole number of 0..255";
  return invalid_argument("vector at row " + std::to_string(row) + " does not fit " +
                          std::string(to_string(dtype)) + ": element " + std::to_string(element) +
                          " is " + spell(value) + ", " + expected)
      .with("row", static_cast<std::int64_t>(row))
      .with("element", static_cast<std::int64_t>(element));
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

Status VectorCodec::encode(const MatrixView& vectors, std::size_t row, std::byte* out,
                           float* norm) const {
  switch (dtype_) {
    case ScalarType::kFloat32: return encode_float32(vectors.row(row), row, out, norm);
    case ScalarType::kFloat16: return encode_float16(vectors.row(row), row, out, norm);
    default: break;
  }
  SPRINGG_RETURN_IF_ERROR(encode_bytes(vectors, row, out));
  if (norm != nullptr) *norm = ann::inverse_norm(dtype_, out, dimensions_);
  return {};
}

Status VectorCodec::encode_bytes(const MatrixView& vectors, std::size_t row, std::byte* out) const {
  if (vectors.type == dtype_) {
    std::memcpy(out, vectors.row_bytes(row), stored_bytes_);
    return dtype_ == ScalarType::kBinary ? check_padding("vector", row, out, dimensions_)
                                         : Status();
  }
  const float* const values = vectors.row(row);
  const std::size_t bad = dtype_ == ScalarType::kInt8
                              ? copy_whole<std::int8_t>(values, dimensions_, out)
                              : copy_whole<std::uint8_t>(values, dimensions_, out);
  if (bad == dimensions_) return {};
  const float value = values[bad];
  if (!std::isfinite(value)) return not_finite("vector", row, bad, value);
  return does_not_fit(dtype_, row, bad, value);
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
    return does_not_fit(dtype_, row, bad, value);
  }
  if (norm != nullptr) {
    std::vector<float> stored(dimensions_);
    kernels_.half_to_float(copy, dimensions_, stored.data());
    *norm = ann::inverse_norm(stored.data(), dimensions_);
  }
  return {};
}

void VectorCodec::append(const std::byte* stored, std::vector<float>& floats,
                         std::vector<std::byte>& bytes) const {
  if (ann::is_byte_dtype(dtype_)) {
    bytes.insert(bytes.end(), stored, stored + stored_bytes_);
    return;
  }
  const std::size_t end = floats.size();
  floats.resize(end + dimensions_);
  if (dtype_ == ScalarType::kFloat16) {
    kernels_.half_to_float(reinterpret_cast<const std::uint16_t*>(stored), dimensions_,
                           floats.data() + end);
  } else {
    std::memcpy(floats.data() + end, stored, stored_bytes_);
  }
}

void VectorCodec::reserve(std::size_t rows, std::vector<float>& floats,
                          std::vector<std::byte>& bytes) const {
  if (ann::is_byte_dtype(dtype_)) {
    bytes.reserve(rows * stored_bytes_);
  } else {
    floats.reserve(rows * dimensions_);
  }
}

Status check_padding(std::string_view what, std::size_t row, const std::byte* bits,
                     std::size_t dimensions) {
  const std::size_t used = dimensions % 8;
  const std::size_t last = (dimensions - 1) / 8;
  if (used == 0 || (bits[last] & std::byte(0xFFU >> used)) == std::byte{0}) return {};
  return invalid_argument(std::string(what) + " at row " + std::to_string(row) +
                          " has bits beyond its " + std::to_string(dimensions) +
                          " dimensions: byte " + std::to_string(last) + " is " +
                          std::to_string(std::to_integer<int>(bits[last])) +
                          ", expected zeros in its lowest " + std::to_string(8 - used) + " bits")
      .with("row", static_cast<std::int64_t>(row))
      .with("element", static_cast<std::int64_t>(last));
}

Status check_vectors(const IndexOptions& index, const MatrixView& vectors) {
  if (vectors.rows == 0) return {};
  const bool fits =
      vectors.type == index.dtype
          ? ann::is_byte_dtype(index.dtype) || index.dtype == ScalarType::kFloat32
          : vectors.type == ScalarType::kFloat32 && index.dtype != ScalarType::kBinary;
  if (!fits) {
    return invalid_argument("vectors of " + std::string(to_string(vectors.type)) +
                            " for an index of dtype " + std::string(to_string(index.dtype)));
  }
  if (vectors.dimensions == index.dimensions) return {};
  std::string message = "vector dimension mismatch: expected " + std::to_string(index.dimensions) +
                        ", got " + std::to_string(vectors.dimensions);
  // One bit a byte, as they come from a comparison or a file.
  if (index.dtype == ScalarType::kBinary && vectors.dimensions == 8 * index.dimensions) {
    message += " bits; pack bits that are one a byte with numpy.packbits, or give bools";
  }
  return Status(ErrorCode::kDimensionMismatch, std::move(message))
      .with("expected", static_cast<std::int64_t>(index.dimensions))
      .with("actual", static_cast<std::int64_t>(vectors.dimensions));
}

}  // namespace springg::engine
