// SPDX-License-Identifier: MIT
// The rows of one part as the search code sees them, and a query made ready for them.
//
// Inside `ann` rows are compared by *rank*: a number that orders rows as their distance does and is
// cheaper. rank = squared distance for l2, the distance itself for the other metrics. A rank is
// never NaN and never -0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/row_reader.h"
#include "base/row_table.h"
#include "kernels/distance_table.h"
#include "springg/types.h"

namespace springg::ann {

// Metric is kHamming when dtype is kBinary, and then alone.
struct Space {
  Metric metric = Metric::kCosine;
  ScalarType dtype = ScalarType::kFloat32;
  std::uint32_t dimensions = 0;
  base::RowTable vectors;
  // Cosine only: one float a row, inverse_norm() below. Zero vectors have 0.
  base::RowTable inverse_norms;
  // Not null: who ranks a few rows exactly reads them through this and not where `vectors` has
  // them.
  const base::RowReader* reader = nullptr;
};

// What is stored for a row so that cosine is one multiplication: kCosineScale / |x|, with |x| in
// float64; 0 for a zero vector and for one so short (|x| < 3.01e-36) that the result would not be
// finite: its cosine with anything is 0, as a zero vector's is. The prepared query carries the
// factor 1/kCosineScale, so that rows up to 3.4e38 in every element do not overflow the sum of
// products and 1e-30 rows stay above the denormals.
inline constexpr double kCosineScale = 1024.0;
float inverse_norm(const float* vector, std::size_t dimensions) noexcept;
// The same of a row of kInt8 or kUint8.
float inverse_norm(ScalarType dtype, const std::byte* row, std::size_t dimensions) noexcept;

// Whether rows are compared with queries of their own type, in integers.
inline bool is_byte_dtype(ScalarType dtype) noexcept {
  return dtype == ScalarType::kInt8 || dtype == ScalarType::kUint8 || dtype == ScalarType::kBinary;
}

float distance_of_rank(Metric metric, float rank) noexcept;

// A query prepared once. Not owned by threads: immutable.
//
// Against float32 and float16 rows it is float32, for cosine normalised and scaled. Against int8,
// uint8 and binary rows it is of the rows' type: sums of integers, exact but for one rounding to
// float32. A float32 query against int8 or uint8 rows becomes of that type when all of its elements
// are numbers of it, and else stays float32, against rows that are widened as they are read.
class Query {
 public:
  // Precondition: the rows are not kBinary.
  Query(const Space& space, const float* query);
  // As a row of the space is stored.
  Query(const Space& space, const std::byte* stored);

  // ranks[i] = rank of rows[i]. The rows are expected to be in no cache; prefetches ahead.
  void gather(const Space& space, const std::uint32_t* rows, std::size_t count,
              float* ranks) const noexcept;
  // The same, for callers that have looked up the addresses already: vectors[i] is that of rows[i].
  void gather_at(const Space& space, const std::byte* const* vectors, const std::uint32_t* rows,
                 std::size_t count, float* ranks) const noexcept;
  // ranks[i] = rank of row begin + i.
  void scan(const Space& space, std::uint32_t begin, std::size_t count,
            float* ranks) const noexcept;
  // The query as codes want it: of unit length for cosine, else as it came. Of float rows alone.
  void unit_length(const Space& space, std::vector<float>& out) const;

 private:
  friend class QueryTile;

  void prepare_floats(const Space& space, const float* values);
  void prepare_bytes(const Space& space, std::vector<std::byte> bytes);
  const void* data() const noexcept {
    return bytes_.empty() ? static_cast<const void*>(prepared_.data()) : bytes_.data();
  }

  std::vector<float> prepared_;   // either these
  std::vector<std::byte> bytes_;  // or these
  // What a kernel's result is multiplied by for cosine: 1 when `prepared_` has it already.
  float factor_ = 1.0F;
  decltype(kernels::DistanceFunctions::gather) gather_ = nullptr;
  decltype(kernels::DistanceFunctions::scan) scan_ = nullptr;  // null: there is gather_ alone
};

// Several queries side by side, as the tile kernels take them. Keeps its memory for the next.
class QueryTile {
 public:
  // `queries` must stay where they are as long as scan() is called.
  void pack(const Space& space, std::span<const Query> queries);
  // ranks[q * count + i] = rank of row begin + i from query first + q, for q < number. Bit for bit
  // what Query::scan() gives.
  void scan(const Space& space, std::size_t first, std::size_t number, std::uint32_t begin,
            std::uint32_t count, float* ranks) const noexcept;

 private:
  std::span<const Query> queries_;
  std::vector<std::byte> packed_;  // none when some query goes by itself
  std::size_t stride_ = 0;         // bytes
  decltype(kernels::DistanceFunctions::tile) tile_ = nullptr;
};

// The kernels between rows of this space; the first row is as it is stored (float32 for kFloat16).
const kernels::DistanceFunctions& functions_for(const Space& space) noexcept;
// What those kernels take as the number of dimensions: bytes for kBinary.
std::size_t kernel_dimensions(const Space& space) noexcept;

// Turns `count` kernel results of rows [begin, begin + count) into ranks, in place. `factor` is of
// the query, for cosine.
void finish_ranks(const Space& space, float factor, std::uint32_t begin, std::size_t count,
                  float* values) noexcept;

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
