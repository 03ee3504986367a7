// SPDX-License-Identifier: MIT
// Which of the candidates a row is linked to: the relative neighbor rule (the paper's algorithm 4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
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

  Metric metric() const noexcept { return space_->metric; }
  void set_pivot(std::uint32_t row);
  // ranks[i] = rank of rows[i] from the pivot, near enough for choosing links.
  void rank(const std::uint32_t* rows, std::size_t count, float* ranks) const noexcept;

 private:
  // The stored row as float32; in place, or converted into memory of this object.
  const float* stored_floats(std::uint32_t row);

  const Space* space_;
  const kernels::DistanceFunctions* functions_;
  std::vector<float> buffer_;
  const void* pivot_ = nullptr;  // float32, or as rows of bytes are stored
  float pivot_factor_ = 1.0F;
};

// True when one of `rows` is nearer to `row` than `rank`.
bool any_nearer(PairRanks& pairs, std::uint32_t row, const std::uint32_t* rows, std::size_t count,
                float rank);

// How many links are chosen by each of two rules.
struct SelectLimits {
  std::size_t strict;  // nearer to the origin than to every link chosen before
  std::size_t loose;   // then the nearest of the others, when that is so but for `loose_factor`
  // Of ranks. A factor in the one and only pass breaks clustered data; a second pass just adds.
  float loose_factor = 1.2F;
};

// Of the strictly chosen links, how many may go to candidates as near as the nearest: copies of one
// vector do not rule each other out, would take all places, and so be cut off from the rest.
constexpr std::size_t tied_most(std::size_t strict) noexcept { return strict < 8 ? 1 : strict / 4; }

// How many of the candidates, which are sorted, are as near as the nearest.
std::size_t tied_count(std::span<const Neighbor> candidates) noexcept;

// Turns the tied candidates round by `number`, whose candidates they are. Otherwise all copies of
// a vector would choose the same few of them.
void spread_ties(std::span<Neighbor> candidates, std::uint32_t number) noexcept;

// A link that `source` has to `target`, to be answered by one back.
struct Edge {
  std::uint32_t target;
  std::uint32_t source;
  float rank;
};
inline bool by_target(const Edge& a, const Edge& b) noexcept {
  if (a.target != b.target) return a.target < b.target;
  return a.rank < b.rank || (a.rank == b.rank && a.source < b.source);
}

// Chooses among candidates (numbers of `layer`, nearest first, ties spread). `kept` gets those
// chosen, strictly chosen ones first; returns how many.
template <class Layer>
std::size_t select_neighbors(PairRanks& pairs, const Layer& layer,
                             std::span<const Neighbor> candidates, SelectLimits most,
                             Neighbor* kept) {
  std::uint32_t rows[2 * limits::kMMax];
  Neighbor refused[2 * limits::kMMax];
  std::size_t count = 0;
  std::size_t refused_count = 0;
  const auto keep = [&](const Neighbor& candidate, std::uint32_t row) {
    rows[count] = row;
    kept[count++] = candidate;
  };
  const std::size_t tied_max = tied_most(most.strict);
  for (const Neighbor& candidate : candidates) {
    if (count == most.strict) return count;
    if (count >= tied_max && candidate.rank == kept[tied_max - 1].rank &&
        candidate.rank == kept[0].rank) {
      continue;
    }
    const std::uint32_t row = layer.row_of(candidate.row);
    if (count == 0 || !any_nearer(pairs, row, rows, count, candidate.rank)) {
      keep(candidate, row);
    } else if (refused_count < std::size(refused)) {
      refused[refused_count++] = candidate;
    }
  }
  // A factor says nothing of ranks that may be negative.
  if (pairs.metric() == Metric::kDot) return count;
  for (std::size_t i = 0; i < refused_count && count < most.loose; ++i) {
    const std::uint32_t row = layer.row_of(refused[i].row);
    if (!any_nearer(pairs, row, rows, count, refused[i].rank / most.loose_factor)) {
      keep(refused[i], row);
    }
  }
  return count;
}

}  // namespace springg::ann
