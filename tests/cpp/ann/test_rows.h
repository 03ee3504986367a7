// SPDX-License-Identifier: MIT
// Rows for the tests of this layer: deterministic generators, stored as a part of the engine stores
// them, and an answer in double precision to compare with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "ann/space.h"
#include "ann/top_k.h"
#include "base/row_bits.h"
#include "kernels/dispatch.h"

namespace springg::ann::test {

// The same numbers on every machine: splitmix64, and a sum of four uniforms for a bell curve.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e37'79b9'7f4a'7c15U);
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9U;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11ebU;
    return z ^ (z >> 31);
  }
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24F; }
  float bell() { return uniform() + uniform() + uniform() + uniform() - 2.0F; }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(next() % n); }

 private:
  std::uint64_t state_;
};

struct Matrix {
  std::size_t rows = 0;
  std::size_t dimensions = 0;
  std::vector<float> data;
  const float* row(std::size_t i) const { return data.data() + i * dimensions; }
  float* row(std::size_t i) { return data.data() + i * dimensions; }
};

// Rows around `clusters` centers, at 0.7 of their spread; with 0 clusters, uniform in the cube.
// Clusters come in random order, or one after another.
inline Matrix clustered(std::size_t rows, std::size_t dimensions, std::size_t clusters,
                        std::uint64_t seed, bool in_order = false) {
  Random centers_random(7);
  std::vector<float> centers(clusters * dimensions);
  for (float& x : centers) x = centers_random.bell();
  Random random(seed);
  Matrix matrix{rows, dimensions, std::vector<float>(rows * dimensions)};
  for (std::size_t i = 0; i < rows; ++i) {
    std::size_t c = clusters == 0 ? 0 : random.below(static_cast<std::uint32_t>(clusters));
    if (in_order) c = i * clusters / rows;
    for (std::size_t d = 0; d < dimensions; ++d) {
      matrix.row(i)[d] =
          clusters == 0 ? random.uniform() : centers[c * dimensions + d] + 0.7F * random.bell();
    }
  }
  return matrix;
}

// The matrix in whole numbers that `dtype` holds, extremes among them, of kBinary 0 and 1; floats
// stay as they are.
inline Matrix for_dtype(Matrix matrix, ScalarType dtype) {
  if (!is_byte_dtype(dtype)) return matrix;
  if (dtype == ScalarType::kBinary) {
    for (float& x : matrix.data) x = x > 0.0F ? 1.0F : 0.0F;
    return matrix;
  }
  const float low = dtype == ScalarType::kInt8 ? -128.0F : 0.0F;
  for (float& x : matrix.data) {
    x = std::clamp(std::round(40.0F * x) + 128.0F, 0.0F, 255.0F) + low;
  }
  return matrix;
}

// A matrix as a part stores it: chunks of 2^chunk_shift rows. For kInt8 and kUint8 its elements are
// those of for_dtype(); for kBinary the bits of a vector are those of its elements above 0.
class StoredRows {
 public:
  StoredRows(const Matrix& matrix, Metric metric, ScalarType dtype, std::uint32_t chunk_shift = 31)
      : rows_(static_cast<std::uint32_t>(matrix.rows)) {
    const std::size_t d = matrix.dimensions;
    const std::size_t stride = vector_bytes(dtype, d);
    space_ = {metric, dtype, static_cast<std::uint32_t>(d), {}, {}};
    const std::size_t per_chunk =
        std::min(matrix.rows, std::size_t{1} << std::min(chunk_shift, 30U));
    std::vector<float> floats(d);
    for (std::size_t i = 0; i < matrix.rows; ++i) {
      if (i % per_chunk == 0) {
        vectors_.emplace_back(per_chunk * stride);
        norms_.emplace_back(per_chunk);
      }
      std::byte* at = vectors_.back().data() + (i % per_chunk) * stride;
      std::memcpy(floats.data(), matrix.row(i), d * sizeof(float));
      if (dtype == ScalarType::kFloat16) {
        auto* half = reinterpret_cast<std::uint16_t*>(at);
        kernels::active_table().float_to_half(matrix.row(i), d, half);
        kernels::active_table().half_to_float(half, d, floats.data());
      } else if (dtype == ScalarType::kFloat32) {
        std::memcpy(at, matrix.row(i), d * sizeof(float));
      } else {
        store_bytes(dtype, at, floats);
      }
      norms_.back()[i % per_chunk] = inverse_norm(floats.data(), d);
      exact_.insert(exact_.end(), floats.begin(), floats.end());
    }
    for (auto& chunk : vectors_) vector_chunks_.push_back(chunk.data());
    for (auto& chunk : norms_) {
      norm_chunks_.push_back(reinterpret_cast<const std::byte*>(chunk.data()));
    }
    space_.vectors = {vector_chunks_.data(), chunk_shift, stride};
    space_.inverse_norms = {norm_chunks_.data(), chunk_shift, sizeof(float)};
  }
  StoredRows(const StoredRows&) = delete;
  StoredRows& operator=(const StoredRows&) = delete;

  const Space& space() const { return space_; }
  std::uint32_t rows() const { return rows_; }
  const float* exact(std::uint32_t row) const {
    return exact_.data() + std::size_t{row} * space_.dimensions;
  }

  // A query of for_dtype().
  Query prepare(const float* query) const {
    if (space_.dtype != ScalarType::kBinary) return {space_, query};
    std::vector<float> floats(query, query + space_.dimensions);
    std::vector<std::byte> bits(space_.vectors.stride);
    store_bytes(space_.dtype, bits.data(), floats);
    return {space_, bits.data()};
  }

  // The distance in double precision, and the sum of absolute terms that its error is measured by.
  double distance(const float* query, std::uint32_t row, double* scale = nullptr) const {
    const float* x = exact(row);
    double dot = 0, qq = 0, xx = 0, squared = 0, absolute = 0, terms = 0;
    for (std::size_t d = 0; d < space_.dimensions; ++d) {
      const double a = static_cast<double>(query[d]);
      const double b = static_cast<double>(x[d]);
      dot += a * b;
      terms += std::abs(a * b);
      qq += a * a;
      xx += b * b;
      squared += (a - b) * (a - b);
      absolute += std::abs(a - b);
    }
    const bool zero = qq == 0 || xx == 0;
    const double norms = std::sqrt(qq) * std::sqrt(xx);
    if (scale != nullptr) *scale = 1.0;
    switch (space_.metric) {
      case Metric::kCosine: return zero ? 1.0 : 1.0 - dot / norms;
      case Metric::kDot:
        if (scale != nullptr) *scale = terms;
        return -dot;
      case Metric::kL2:
        if (scale != nullptr) *scale = std::sqrt(squared);
        return std::sqrt(squared);
      default:
        if (scale != nullptr) *scale = absolute;
        return absolute;
    }
  }

  // Distance of the k-th nearest row that is not in `excluded`.
  double kth_distance(const float* query, std::size_t k, const base::RowBits& excluded = {}) const {
    std::vector<double> all;
    for (std::uint32_t row = 0; row < rows_; ++row) {
      if (!excluded.test(row)) all.push_back(distance(query, row));
    }
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k - 1), all.end());
    return all[k - 1];
  }

 private:
  static void store_bytes(ScalarType dtype, std::byte* at, std::vector<float>& floats) {
    for (std::size_t d = 0; d < floats.size(); ++d) {
      if (dtype == ScalarType::kBinary) {
        floats[d] = floats[d] > 0.0F ? 1.0F : 0.0F;
        if (floats[d] > 0.0F) at[d / 8] |= std::byte(0x80U >> (d % 8));
      } else {
        at[d] = dtype == ScalarType::kInt8
                    ? static_cast<std::byte>(static_cast<std::int8_t>(floats[d]))
                    : static_cast<std::byte>(floats[d]);
      }
    }
  }

  Space space_;
  std::uint32_t rows_;
  std::vector<std::vector<std::byte>> vectors_;
  std::vector<std::vector<float>> norms_;
  std::vector<const std::byte*> vector_chunks_;
  std::vector<const std::byte*> norm_chunks_;
  std::vector<float> exact_;
};

// A set of rows with the chunks that RowBits looks into.
class RowSet {
 public:
  explicit RowSet(std::uint32_t rows_max) {
    const std::size_t chunks = rows_max / base::RowBits::kChunkRows + 1;
    words_.resize(chunks * base::RowBits::kChunkWords);
    for (std::size_t c = 0; c < chunks; ++c) {
      chunks_.push_back(words_.data() + c * base::RowBits::kChunkWords);
    }
  }
  void insert(std::uint32_t row) {
    std::uint64_t& word = words_[row / 64];
    const std::uint64_t bit = std::uint64_t{1} << (row % 64);
    size_ += (word & bit) == 0 ? 1U : 0U;
    word |= bit;
  }
  base::RowBits bits() const {
    return {chunks_.data(), static_cast<std::uint32_t>(chunks_.size()), size_};
  }

 private:
  std::vector<std::uint64_t> words_;
  std::vector<const std::uint64_t*> chunks_;
  std::uint32_t size_ = 0;
};

inline std::set<std::uint32_t> row_set(const std::vector<Neighbor>& neighbors) {
  std::set<std::uint32_t> rows;
  for (const Neighbor& neighbor : neighbors) rows.insert(neighbor.row);
  return rows;
}

inline bool is_sorted(const std::vector<Neighbor>& neighbors) {
  return std::is_sorted(neighbors.begin(), neighbors.end(), nearer);
}

}  // namespace springg::ann::test
