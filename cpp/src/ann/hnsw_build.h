// SPDX-License-Identifier: MIT
// Inserting one batch into a growing graph: every row is searched for in the graph as it was and
// among the batch itself, all at once; then links back are written, each target's by one task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
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
  // `codes`: null, or of all rows that will be inserted and of those that are in.
  BatchInserter(GrowingData& data, const Space& space, const quant::Codes* codes,
                base::Executor& executor, Pace& pace);

  // Rows that the next batch should have when `covered` are in: few while the graph is
  // young, since a batch is searched for in the graph before it.
  std::uint32_t batch_rows(std::uint32_t covered) const noexcept;
  // Inserts rows [covered, end) and publishes them. When stopped before anyone could see a change,
  // nothing is changed and covered stays.
  Status insert(std::uint32_t end);

 private:
  struct Worker {
    explicit Worker(const Space& space) : pairs(space) {}
    PairRanks pairs;
    quant::CodeQuery code_query;
    std::vector<float> unit_query;
    std::vector<Neighbor> candidates;
    std::vector<Edge> edges;
    QueryTile packed;
    std::vector<float> peer_ranks;  // a query: ranks of the batch's rows
    std::vector<float> upper_ranks;
  };
  // The part of the batch that lies on one layer. What its rows chose is kept apart from the links,
  // which change while they are linked back to: rows of one batch choose each other.
  struct LayerBatch {
    std::vector<std::uint32_t> sources;  // numbers, ascending
    std::vector<Neighbor> chosen;        // m a source, ended by kNoRow
  };

  Status reserve(std::uint32_t end);
  void lay_out(std::uint32_t end);
  void insert_rows(std::uint32_t first, std::uint32_t last, Worker& worker);
  template <class Layer>
  void rank_exactly(const Layer& layer, const Query& query);
  void rank_peers(std::span<const Query> queries, Worker& worker);
  void insert_row(std::uint32_t index, const Query& query, const float* peer_ranks, Worker& worker);
  template <class Ranker>
  void insert_row(std::uint32_t index, Ranker ranker, const Query& query, const float* peer_ranks,
                  Worker& worker);
  static void offer_peers(const std::uint32_t* numbers, const float* ranks, std::size_t count,
                          std::uint32_t self, SearchPool& pool);
  template <class Layer>
  void link_forward(const Layer& layer, std::uint32_t number, std::size_t place, LayerBatch& batch,
                    Worker& worker);
  template <class Layer>
  void link_back(const Layer& layer, const LayerBatch& batch);
  template <class Layer>
  void link_back_part(const Layer& layer, const LayerBatch& batch, std::uint32_t part,
                      std::uint32_t parts, Worker& worker);
  template <class Layer>
  void add_links(const Layer& layer, std::uint32_t target, Edge* edges, std::size_t count,
                 Worker& worker);
  static std::size_t drop_linked(const std::uint32_t* links, std::size_t link_count, Edge* edges,
                                 std::size_t count) noexcept;
  void publish(std::uint32_t end);

  GrowingData& data_;
  const Space& space_;
  const quant::Codes* codes_;
  base::Executor& executor_;
  Pace& pace_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::uint32_t begin_ = 0;
  std::uint32_t new_numbers_ = 0;
  std::size_t new_blocks_ = 0;
  std::vector<std::uint32_t> levels_;               // of the batch's rows
  std::vector<std::uint32_t> upper_number_;         // of the batch's rows, when they have a level
  std::vector<LayerBatch> layers_;                  // [0] is layer 0
  std::vector<std::vector<std::uint32_t>> places_;  // a row: its place in each of its layers
};

}  // namespace springg::ann
