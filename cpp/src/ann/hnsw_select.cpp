// SPDX-License-Identifier: MIT
#include "ann/hnsw_select.h"

#include <algorithm>

#include "kernels/dispatch.h"

namespace springg::ann {

namespace {

constexpr std::size_t kFirstBlock = 4;  // most candidates are ruled out by the nearest kept ones
constexpr std::size_t kBlock = 8;

// Between these the plain product of two stored rows neither overflows nor vanishes.
constexpr float kPlainNormMin = 0x1p-20F;
constexpr float kPlainNormMax = 0x1p20F;
constexpr float kScaleSquared = static_cast<float>(kCosineScale * kCosineScale);

}  // namespace

PairRanks::PairRanks(const Space& space)
    : space_(&space),
      functions_(&functions_for(space)),
      buffer_(is_byte_dtype(space.dtype) ? 0 : space.dimensions) {}

const float* PairRanks::stored_floats(std::uint32_t row) {
  const std::byte* vector = space_->vectors.row(row);
  if (space_->dtype == ScalarType::kFloat32) return reinterpret_cast<const float*>(vector);
  kernels::active_table().half_to_float(reinterpret_cast<const std::uint16_t*>(vector),
                                        space_->dimensions, buffer_.data());
  return buffer_.data();
}

void PairRanks::set_pivot(std::uint32_t row) {
  const bool bytes = is_byte_dtype(space_->dtype);
  const float* const floats = bytes ? nullptr : stored_floats(row);
  pivot_ = bytes ? static_cast<const void*>(space_->vectors.row(row)) : floats;
  pivot_factor_ = 1.0F;
  if (space_->metric != Metric::kCosine) return;
  const float inverse = inverse_norm_of(*space_, row);
  const float norm = inverse > 0.0F ? static_cast<float>(kCosineScale) / inverse : 0.0F;
  const float factor = inverse / kScaleSquared;
  if (bytes || (norm >= kPlainNormMin && norm <= kPlainNormMax)) {
    pivot_factor_ = factor;
    return;
  }
  for (std::size_t i = 0; i < buffer_.size(); ++i) buffer_[i] = floats[i] * factor;
  pivot_ = buffer_.data();
}

void PairRanks::rank(const std::uint32_t* rows, std::size_t count, float* ranks) const noexcept {
  constexpr std::size_t kPointers = 32;
  const std::byte* vectors[kPointers];
  const Metric metric = space_->metric;
  const std::size_t dimensions = kernel_dimensions(*space_);
  while (count != 0) {
    const std::size_t now = std::min(count, kPointers);
    for (std::size_t i = 0; i < now; ++i) vectors[i] = space_->vectors.row(rows[i]);
    functions_->gather(pivot_, vectors, now, dimensions, ranks);
    for (std::size_t i = 0; i < now && metric != Metric::kL2; ++i) {
      const float inverse =
          metric == Metric::kCosine ? inverse_norm_of(*space_, rows[i]) * pivot_factor_ : 0.0F;
      ranks[i] = finish_rank(metric, ranks[i], inverse);
    }
    rows += now;
    ranks += now;
    count -= now;
  }
}

bool any_nearer(PairRanks& pairs, std::uint32_t row, const std::uint32_t* rows, std::size_t count,
                float rank) {
  pairs.set_pivot(row);
  float ranks[kBlock];
  for (std::size_t done = 0, block = 0; done < count; done += block) {
    block = std::min(done == 0 ? kFirstBlock : kBlock, count - done);
    pairs.rank(rows + done, block, ranks);
    for (std::size_t i = 0; i < block; ++i) {
      if (ranks[i] < rank) return true;
    }
  }
  return false;
}

std::size_t tied_count(std::span<const Neighbor> candidates) noexcept {
  std::size_t count = 0;
  while (count < candidates.size() && candidates[count].rank == candidates[0].rank) ++count;
  return count;
}

void spread_ties(std::span<Neighbor> candidates, std::uint32_t number) noexcept {
  const std::size_t tied = tied_count(candidates);
  if (tied < 2) return;
  const auto first = candidates.begin();
  const auto end = first + static_cast<std::ptrdiff_t>(tied);
  std::rotate(first, first + static_cast<std::ptrdiff_t>(number % tied), end);
}

}  // namespace springg::ann
