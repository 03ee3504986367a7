// SPDX-License-Identifier: MIT
// What a graph is measured to need: how wide to walk it for a recall, and how far on average its
// rows' neighbors lie. Made when the graph is, from some of its rows as queries; each is hidden
// from its own search, so that it stands for a query that is not among the rows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ann/hnsw.h"
#include "base/executor.h"

namespace springg::ann {

// An ef that was found to do for `of_k` neighbors, for k of them: as it is for fewer.
std::size_t ef_for_more(std::size_t ef, std::size_t of_k, std::size_t k) noexcept;

class Calibration {
 public:
  static constexpr std::size_t kBytes = 128;
  // What the measurements are of.
  static constexpr std::size_t kNeighbors = 10;
  // Recalls that an ef is kept for.
  static constexpr std::array<float, 4> kRecalls{0.9F, 0.95F, 0.98F, 0.99F};

  Calibration() = default;
  // `codes` may be null: then walks are on vectors. Same result for any number of threads. Cost:
  // an exact search of at most 128 rows among all, and some walks for each.
  static Calibration measure(const SealedGraph& graph, const Space& space,
                             const quant::Codes* codes, base::Executor& executor);
  // None when the bytes are not what write() wrote.
  static std::optional<Calibration> read(std::span<const std::byte> bytes) noexcept;
  void write(std::span<std::byte, kBytes> bytes) const noexcept;

  // The least ef whose recall of the 10 nearest was the one asked for, or the greatest that was
  // tried; scaled for other k. Recalls between those above take the next higher one's.
  std::size_t ef_for(float recall, std::size_t k) const noexcept;
  // The recall of the 10 nearest that it had; 0: nothing was measured.
  float measured_recall(float recall) const noexcept;
  // How far a walk that ends by distance is to look so that it does about the work of one with a
  // pool of ef rows; 0 when that cannot be told.
  float stretch_for(std::size_t ef, std::size_t k) const noexcept;

 private:
  static constexpr std::size_t kPositions = 10;  // 1, 2, 4, ... 512

  static std::size_t step_of(float recall) noexcept;
  float rank_at(float position) const noexcept;

  // The median rank of the neighbor at each position. 0: not known.
  std::array<float, kPositions> ranks_{};
  std::array<std::uint32_t, kRecalls.size()> efs_{};
  std::array<float, kRecalls.size()> recalls_{};  // that these were measured to have
};

}  // namespace springg::ann
