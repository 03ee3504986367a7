// SPDX-License-Identifier: MIT
// What the kernels' tests compare with: slow, plain float64 arithmetic, and rows laid out badly.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/dispatch.h"

namespace springg::kernels::testing {

constexpr Measure kFloatMeasures[] = {Measure::kDot, Measure::kSquaredL2, Measure::kManhattan};

inline const char* name_of(Measure measure) {
  constexpr const char* kNames[kMeasures] = {"dot", "squared l2", "manhattan", "hamming"};
  return kNames[static_cast<std::size_t>(measure)];
}

// The value of a half by its definition, not by a conversion instruction.
inline double value_of_half(std::uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const double mantissa = half & 1023;
  const double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024.0 + mantissa, exponent - 25);
}

struct Reference {
  double value = 0.0;
  double absolute_terms = 0.0;
};

inline Reference reference(Measure measure, const float* query, const std::vector<double>& row) {
  Reference sum;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double q = static_cast<double>(query[i]);
    const double difference = q - row[i];
    const double term = measure == Measure::kDot         ? q * row[i]
                        : measure == Measure::kSquaredL2 ? difference * difference
                                                         : std::fabs(difference);
    sum.value += term;
    sum.absolute_terms += std::fabs(term);
  }
  return sum;
}

// Rows of floats or halves that start at an odd address and have an odd stride.
class OddRows {
 public:
  OddRows(ScalarType type, std::size_t count, std::size_t dims)
      : type_(type),
        dims_(dims),
        count_(count),
        stride_(dims * element_bytes() + 1 + (dims * element_bytes()) % 2),
        bytes_(1 + count * stride_) {}

  void set(std::size_t row, const std::vector<float>& values) {
    std::byte* const at = bytes_.data() + 1 + row * stride_;
    if (type_ == ScalarType::kFloat32) {
      std::memcpy(at, values.data(), dims_ * sizeof(float));
      return;
    }
    std::vector<std::uint16_t> halves(dims_);
    available_tables().front()->float_to_half(values.data(), dims_, halves.data());
    std::memcpy(at, halves.data(), dims_ * sizeof(std::uint16_t));
  }
  std::vector<double> values(std::size_t row) const {
    std::vector<double> result(dims_);
    for (std::size_t i = 0; i < dims_; ++i) {
      const std::byte* const at = this->row(row) + i * element_bytes();
      if (type_ == ScalarType::kFloat32) {
        float value;
        std::memcpy(&value, at, sizeof value);
        result[i] = static_cast<double>(value);
      } else {
        std::uint16_t half;
        std::memcpy(&half, at, sizeof half);
        result[i] = value_of_half(half);
      }
    }
    return result;
  }
  const std::byte* base() const { return bytes_.data() + 1; }
  const std::byte* row(std::size_t i) const { return base() + i * stride_; }
  std::size_t stride() const { return stride_; }
  std::size_t count() const { return count_; }
  std::vector<const std::byte*> pointers() const {
    std::vector<const std::byte*> rows(count_);
    for (std::size_t i = 0; i < count_; ++i) rows[i] = row(i);
    return rows;
  }

 private:
  std::size_t element_bytes() const { return type_ == ScalarType::kFloat32 ? 4 : 2; }

  ScalarType type_;
  std::size_t dims_;
  std::size_t count_;
  std::size_t stride_;
  std::vector<std::byte> bytes_;
};

inline const DistanceFunctions& functions_of(const DistanceTable& table, ScalarType type,
                                             Measure measure) {
  const auto index = static_cast<std::size_t>(measure);
  return type == ScalarType::kFloat32 ? table.float32[index] : table.float16[index];
}

inline std::vector<float> random_floats(std::mt19937& generator, std::size_t count,
                                        float low = -1.0F, float high = 1.0F) {
  std::uniform_real_distribution<float> distribution(low, high);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(generator);
  return values;
}

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// What every comparison says when it fails.
inline std::string describe_case(const DistanceTable& table, ScalarType type, Measure measure,
                                 std::size_t dims) {
  return std::string(table.isa) + " " + std::string(type == ScalarType::kFloat32 ? "f32" : "f16") +
         " " + name_of(measure) + " dims " + std::to_string(dims);
}

}  // namespace springg::kernels::testing
