// SPDX-License-Identifier: MIT
// Which of the candidates a row is linked to: the relative neighbor rule (the paper's algorithm 4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ann/space.h"
#include "ann/top_k.h"
#include "springg/options.h"

namespace springg::ann {

// Ranks between stored rows. One thread.
class PairRanks {
 public:
  explicit PairRanks(const Space& space);

  void set_pivot(std::uint32_t row);
  // ranks[i] = rank of rows[i] from the pivot, near enough for choosing links.
  void rank(const std::uint32_t* rows, std::size_t count, float* ranks) const noexcept;

  // The stored row as float32; in place, or converted into memory of this object.
  const float* stored_floats(std::uint32_t row);

 private:
  const Space* space_;
  const kernels::DistanceFunctions* functions_;
  std::vector<float> buffer_;
  const float* pivot_ = nullptr;
  float pivot_factor_ = 1.0F;
};

// True when one of `rows` is nearer to `row` than `rank`.
bool any_nearer(PairRanks& pairs, std::uint32_t row, const std::uint32_t* rows, std::size_t count,
                float rank);

// Walks candidates (numbers of `layer`, nearest first) and keeps each that is nearer to the origin
// than to all that were kept before, until `limit` are kept. `kept` gets them; returns how many.
template <class Layer>
std::size_t select_neighbors(PairRanks& pairs, const Layer& layer,
                             std::span<const Neighbor> candidates, std::size_t limit,
                             Neighbor* kept) {
  std::uint32_t rows[2 * limits::kMMax];
  std::size_t count = 0;
  for (const Neighbor& candidate : candidates) {
    if (count == limit) break;
    const std::uint32_t row = layer.row_of(candidate.row);
    if (count != 0 && any_nearer(pairs, row, rows, count, candidate.rank)) continue;
    rows[count] = row;
    kept[count] = candidate;
    ++count;
  }
  return count;
}

}  // namespace springg::ann
