// SPDX-License-Identifier: MIT
#include "ann/space.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.h"

namespace springg::ann {

namespace {

constexpr std::size_t kGatherBlock = 64;

kernels::Measure measure_of(Metric metric) noexcept {
  switch (metric) {
    case Metric::kL2: return kernels::Measure::kSquaredL2;
    case Metric::kManhattan: return kernels::Measure::kManhattan;
    default: return kernels::Measure::kDot;
  }
}

// Rows of `table` from `row` on that lie one after another.
std::size_t run_length(const base::RowTable& table, std::uint32_t row) noexcept {
  const std::uint32_t mask = (std::uint32_t{1} << table.chunk_shift) - 1U;
  return static_cast<std::size_t>(mask - (row & mask)) + 1;
}

}  // namespace

float inverse_norm(const float* vector, std::size_t dimensions) noexcept {
  const double squared = kernels::active_table().squared_norm(vector, dimensions);
  if (!(squared > 0.0)) return 0.0F;
  const double inverse = kCosineScale / std::sqrt(squared);
  constexpr double kLargest = std::numeric_limits<float>::max();
  return inverse <= kLargest ? static_cast<float>(inverse) : 0.0F;
}

float distance_of_rank(Metric metric, float rank) noexcept {
  return metric == Metric::kL2 ? std::sqrt(rank) : rank;
}

const kernels::DistanceFunctions& functions_for(const Space& space) noexcept {
  const auto& table = kernels::active_table();
  const auto measure = static_cast<std::size_t>(measure_of(space.metric));
  return space.dtype == ScalarType::kFloat16 ? table.float16[measure] : table.float32[measure];
}

void finish_ranks(const Space& space, std::uint32_t begin, std::size_t count,
                  float* values) noexcept {
  if (space.metric == Metric::kDot) {
    for (std::size_t i = 0; i < count; ++i) values[i] = 0.0F - values[i];
    return;
  }
  if (space.metric != Metric::kCosine) return;
  while (count != 0) {
    const std::size_t run = std::min(count, run_length(space.inverse_norms, begin));
    const auto* norms = reinterpret_cast<const float*>(space.inverse_norms.row(begin));
    for (std::size_t i = 0; i < run; ++i) {
      values[i] = finish_rank(Metric::kCosine, values[i], norms[i]);
    }
    values += run;
    begin += static_cast<std::uint32_t>(run);
    count -= run;
  }
}

void scan_tile(const Space& space, const float* packed, std::size_t queries, std::uint32_t begin,
               std::uint32_t count, float* ranks) noexcept {
  const auto& functions = functions_for(space);
  const std::size_t dims = space.dimensions;
  for (std::uint32_t done = 0; done < count;) {
    const std::size_t run =
        std::min<std::size_t>(count - done, run_length(space.vectors, begin + done));
    functions.tile(packed, dims, queries, space.vectors.row(begin + done), space.vectors.stride,
                   run, dims, ranks + done, count);
    for (std::size_t q = 0; q < queries; ++q) {
      finish_ranks(space, begin + done, run, ranks + q * count + done);
    }
    done += static_cast<std::uint32_t>(run);
  }
}

Query::Query(const Space& space, const float* query)
    : prepared_(query, query + space.dimensions), functions_(&functions_for(space)) {
  if (space.metric != Metric::kCosine) return;
  const double squared = kernels::active_table().squared_norm(query, space.dimensions);
  const double factor = squared > 0.0 ? 1.0 / (kCosineScale * std::sqrt(squared)) : 0.0;
  for (float& x : prepared_) x = static_cast<float>(static_cast<double>(x) * factor);
}

void Query::unit_length(const Space& space, std::vector<float>& out) const {
  out = prepared_;
  if (space.metric != Metric::kCosine) return;
  for (float& x : out) x *= static_cast<float>(kCosineScale);  // a power of two: exact
}

void Query::gather(const Space& space, const std::uint32_t* rows, std::size_t count,
                   float* ranks) const noexcept {
  const std::byte* vectors[kGatherBlock];
  while (count != 0) {
    const std::size_t block = std::min(count, kGatherBlock);
    for (std::size_t i = 0; i < block; ++i) vectors[i] = space.vectors.row(rows[i]);
    gather_at(space, vectors, rows, block, ranks);
    rows += block;
    ranks += block;
    count -= block;
  }
}

void Query::gather_at(const Space& space, const std::byte* const* vectors,
                      const std::uint32_t* rows, std::size_t count, float* ranks) const noexcept {
  functions_->gather(prepared_.data(), vectors, count, space.dimensions, ranks);
  switch (space.metric) {
    case Metric::kCosine:
      for (std::size_t i = 0; i < count; ++i) {
        ranks[i] = finish_rank(Metric::kCosine, ranks[i], inverse_norm_of(space, rows[i]));
      }
      break;
    case Metric::kDot:
      for (std::size_t i = 0; i < count; ++i) ranks[i] = finish_rank(Metric::kDot, ranks[i], 0);
      break;
    default: break;
  }
}

void Query::scan(const Space& space, std::uint32_t begin, std::size_t count,
                 float* ranks) const noexcept {
  while (count != 0) {
    const std::size_t run = std::min(count, run_length(space.vectors, begin));
    functions_->scan(prepared_.data(), space.vectors.row(begin), space.vectors.stride, run,
                     space.dimensions, ranks);
    finish_ranks(space, begin, run, ranks);
    ranks += run;
    begin += static_cast<std::uint32_t>(run);
    count -= run;
  }
}

}  // namespace springg::ann
