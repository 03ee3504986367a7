// SPDX-License-Identifier: MIT
// The rows of one part as the search code sees them, and a query made ready for them.
//
// Inside `ann` rows are compared by *rank*: a number that orders rows as their distance does and is
// cheaper. rank = squared distance for l2, the distance itself for the other metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/row_table.h"
#include "kernels/distance_table.h"
#include "springg/types.h"

namespace springg::ann {

struct Space {
  Metric metric = Metric::kCosine;
  ScalarType dtype = ScalarType::kFloat32;
  std::uint32_t dimensions = 0;
  base::RowTable vectors;
  // Cosine only: one float a row, inverse_norm() below. Zero vectors have 0.
  base::RowTable inverse_norms;
};

// What is stored for a row so that cosine is one multiplication: kCosineScale / |x|, with |x| in
// float64 and the result kept finite; 0 for a zero vector. The prepared query carries the factor
// 1/kCosineScale, so that rows up to 3.4e38 in every element do not overflow the sum of products
// and 1e-30 rows stay above the denormals.
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
  // ranks[i] = rank of row begin + i.
  void scan(const Space& space, std::uint32_t begin, std::size_t count,
            float* ranks) const noexcept;
  const float* prepared() const noexcept { return prepared_.data(); }

 private:
  std::vector<float> prepared_;
  const kernels::DistanceFunctions* functions_;
};

}  // namespace springg::ann
