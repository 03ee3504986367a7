// SPDX-License-Identifier: MIT
// The rows of one part as the search code sees them, and a query made ready for them.
//
// Inside `ann` rows are compared by *rank*: a number that orders rows as their distance does and is
// cheaper. rank = squared distance for l2, the distance itself for the other metrics. A rank is
// never NaN and never -0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/row_table.h"
#include "kernels/distance_table.h"
#include "springg/types.h"

namespace springg::ann {

// Metric is not kHamming and dtype is kFloat32 or kFloat16.
struct Space {
  Metric metric = Metric::kCosine;
  ScalarType dtype = ScalarType::kFloat32;
  std::uint32_t dimensions = 0;
  base::RowTable vectors;
  // Cosine only: one float a row, inverse_norm() below. Zero vectors have 0.
  base::RowTable inverse_norms;
};

// What is stored for a row so that cosine is one multiplication: kCosineScale / |x|, with |x| in
// float64; 0 for a zero vector and for one so short (|x| < 3.01e-36) that the result would not be
// finite: its cosine with anything is 0, as a zero vector's is. The prepared query carries the
// factor 1/kCosineScale, so that rows up to 3.4e38 in every element do not overflow the sum of
// products and 1e-30 rows stay above the denormals.
inline constexpr double kCosineScale = 1024.0;
float inverse_norm(const float* vector, std::size_t dimensions) noexcept;

float distance_of_rank(Metric metric, float rank) noexcept;

// A query prepared once: normalised and scaled for cosine. Not owned by threads: immutable.
class Query {
 public:
  Query(const Space& space, const float* query);

  // ranks[i] = rank of rows[i]. The rows are expected to be in no cache; prefetches ahead.
  void gather(const Space& space, const std::uint32_t* rows, std::size_t count,
              float* ranks) const noexcept;
  // The same, for callers that have looked up the addresses already: vectors[i] is that of rows[i].
  void gather_at(const Space& space, const std::byte* const* vectors, const std::uint32_t* rows,
                 std::size_t count, float* ranks) const noexcept;
  // ranks[i] = rank of row begin + i.
  void scan(const Space& space, std::uint32_t begin, std::size_t count,
            float* ranks) const noexcept;
  const float* prepared() const noexcept { return prepared_.data(); }
  // The query as codes want it: of unit length for cosine, else as it came.
  void unit_length(const Space& space, std::vector<float>& out) const;

 private:
  std::vector<float> prepared_;
  const kernels::DistanceFunctions* functions_;
};

// The kernels for rows of this space.
const kernels::DistanceFunctions& functions_for(const Space& space) noexcept;

// Turns `count` kernel results of rows [begin, begin + count) into ranks, in place.
void finish_ranks(const Space& space, std::uint32_t begin, std::size_t count,
                  float* values) noexcept;

// ranks[q * count + i] = rank of row begin + i from query q, whose prepared floats are
// packed[q * dimensions ...]. Bit for bit what Query::scan() gives.
void scan_tile(const Space& space, const float* packed, std::size_t queries, std::uint32_t begin,
               std::uint32_t count, float* ranks) noexcept;

// What finish_ranks() does to one result; inverse_norm is used for cosine only.
inline float finish_rank(Metric metric, float value, float inverse_norm) noexcept {
  switch (metric) {
    case Metric::kCosine: {
      const float distance = 1.0F - value * inverse_norm;
      // Written so that NaN becomes 2, the farthest.
      const float high = distance <= 2.0F ? distance : 2.0F;
      return high > 0.0F ? high : 0.0F;
    }
    case Metric::kDot: return 0.0F - value;
    default: return value;
  }
}

inline float inverse_norm_of(const Space& space, std::uint32_t row) noexcept {
  return *reinterpret_cast<const float*>(space.inverse_norms.row(row));
}

}  // namespace springg::ann
