// SPDX-License-Identifier: MIT
// Inserting one batch into a growing graph.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ann/hnsw_links.h"
#include "ann/hnsw_pace.h"
#include "ann/hnsw_search.h"
#include "ann/hnsw_select.h"
#include "base/executor.h"

namespace springg::ann {

// Level of a row: l with probability (1 - 1/m) / m^l.
std::uint32_t level_of(std::uint64_t seed, std::uint32_t row, std::uint32_t m) noexcept;

class BatchInserter {
 public:
  BatchInserter(GrowingData& data, const Space& space, base::Executor& executor, Pace& pace);

  // Rows that the next batch should have when `covered` are in: few while the graph is young,
  // since rows of a batch do not see each other.
  std::uint32_t batch_rows(std::uint32_t covered) const noexcept;
  // Inserts rows [covered, end) and publishes them. When stopped before anyone could see a change,
  // nothing is changed and covered stays.
  Status insert(std::uint32_t end);

 private:
  // A link that a row of the batch has to a target, to be answered by one back.
  struct Edge {
    std::uint32_t target;
    std::uint32_t source;
    float rank;
  };
  struct Worker {
    explicit Worker(const Space& space) : pairs(space) {}
    PairRanks pairs;
    std::vector<Neighbor> candidates;
    std::vector<Edge> edges;
    std::vector<float> vector;
  };
  // The part of the batch that lies on one layer: numbers [first, first + count) of it.
  struct LayerBatch {
    std::vector<std::uint32_t> sources;  // numbers, ascending
    std::vector<float> ranks;            // m a source: ranks of its links
  };

  Status reserve(std::uint32_t end);
  void lay_out(std::uint32_t end);
  void insert_row(std::uint32_t index, Worker& worker);
  template <class Layer>
  void link_forward(const Layer& layer, std::uint32_t number, std::size_t place,
                    LayerBatch& batch, Worker& worker);
  template <class Layer>
  void link_back(const Layer& layer, const LayerBatch& batch);
  template <class Layer>
  void link_back_part(const Layer& layer, const LayerBatch& batch, std::uint32_t part,
                      std::uint32_t parts, Worker& worker);
  template <class Layer>
  void add_links(const Layer& layer, std::uint32_t target, const Edge* edges, std::size_t count,
                 Worker& worker);
  void publish(std::uint32_t end);

  GrowingData& data_;
  const Space& space_;
  base::Executor& executor_;
  Pace& pace_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::uint32_t begin_ = 0;
  std::uint32_t new_numbers_ = 0;
  std::size_t new_blocks_ = 0;
  std::vector<std::uint32_t> levels_;        // of the batch's rows
  std::vector<std::uint32_t> upper_number_;  // of the batch's rows, when they have a level
  std::vector<LayerBatch> layers_;           // [0] is layer 0
  std::vector<std::vector<std::uint32_t>> places_;  // a row: its place in each of its layers
};

}  // namespace springg::ann
