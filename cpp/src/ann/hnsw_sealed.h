// SPDX-License-Identifier: MIT
// The layers of a sealed graph, for the search loop and for whoever takes its links over.
#pragma once

#include <cstdint>

#include "ann/hnsw.h"
#include "ann/hnsw_links.h"

namespace springg::ann {

// Rows below `limit_` can be seen.
struct SealedGraphAccess {
  const SealedGraph& graph;
  std::uint32_t limit_;

  std::uint32_t limit() const noexcept { return limit_; }
  std::uint32_t numbers() const noexcept { return graph.upper_count_; }
  std::uint32_t layers() const noexcept { return graph.layers_; }
  std::uint32_t m() const noexcept { return graph.m_; }
  // Numbers on a layer above 0 are those below this.
  std::uint32_t numbers_on(std::uint32_t layer) const noexcept {
    return graph.layer_counts_[layer - 1];
  }
  GraphStart start() const noexcept {
    for (std::uint32_t l = graph.layers_; l > 0; --l) {
      const std::uint32_t number = l == graph.layers_ ? graph.entry_ : 0;
      if (upper(l).visible(number)) return {l, number};
    }
    return {};
  }
  SealedBase base() const noexcept { return {graph.links_, 2 * graph.m_, limit_}; }
  SealedUpper upper(std::uint32_t layer) const noexcept {
    return {graph.layer_links_[layer - 1], graph.upper_rows_, graph.m_, graph.upper_count_, limit_};
  }
};

}  // namespace springg::ann
