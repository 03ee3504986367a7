// SPDX-License-Identifier: MIT
#include "ann/hnsw_build.h"

#include <algorithm>

namespace springg::ann {

namespace {

constexpr std::uint32_t kBatchPart = 50;       // at most 2 % of the graph
constexpr std::uint32_t kBatchRowsMax = 1024;  // each is compared with all others
constexpr std::uint32_t kTaskRowsMax = 8;
constexpr std::uint32_t kTasksPerThread = 8;

// Two thirds of ef_construction: what such a walk misses, the refinement finds among links' links
// once the graph is complete (docs/adr/0008).
std::size_t walk_width(const GraphOptions& options) noexcept {
  const std::size_t ef = options.ef_construction;
  return std::max(ef * 2 / 3, std::min<std::size_t>(ef, std::size_t{2} * options.m));
}

std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xbf58'476d'1ce4'e5b9U;
  x ^= x >> 27;
  x *= 0x94d0'49bb'1331'11ebU;
  return x ^ (x >> 31);
}

std::uint32_t part_of(std::uint32_t target, std::uint32_t parts) noexcept {
  const std::uint64_t spread = std::uint64_t{target * 0x9e37'79b1U} * parts;
  return static_cast<std::uint32_t>(spread >> 32);
}

}  // namespace

std::uint32_t level_of(std::uint64_t seed, std::uint32_t row, std::uint32_t m) noexcept {
  const std::uint64_t hash = mix(mix(seed + 0x9e37'79b9'7f4a'7c15U) + row);
  // Integers alone, so that every machine builds the same graph.
  std::uint64_t threshold = ~std::uint64_t{0} / m;
  std::uint32_t level = 0;
  while (level < kLayersMax && hash < threshold) {
    ++level;
    threshold /= m;
  }
  return level;
}

BatchInserter::BatchInserter(GrowingData& data, const Space& space, const quant::Codes* codes,
                             base::Executor& executor, Pace& pace)
    : data_(data), space_(space), codes_(codes), executor_(executor), pace_(pace) {
  for (unsigned i = 0; i < executor.concurrency(); ++i) {
    workers_.push_back(std::make_unique<Worker>(space));
  }
}

std::uint32_t BatchInserter::batch_rows(std::uint32_t covered) const noexcept {
  return std::clamp(covered / kBatchPart, std::uint32_t{1}, kBatchRowsMax);
}

Status BatchInserter::reserve(std::uint32_t end) {
  begin_ = data_.covered.load(std::memory_order_relaxed);
  levels_.resize(end - begin_);
  std::size_t numbers = data_.upper_count.load(std::memory_order_relaxed);
  std::size_t blocks = data_.block_count;
  for (std::uint32_t row = begin_; row < end; ++row) {
    std::uint32_t level = level_of(data_.options.seed, row, data_.options.m);
    if (blocks + level > data_.blocks.rows_max()) level = 0;
    levels_[row - begin_] = level;
    blocks += level;
    numbers += level > 0 ? 1 : 0;
  }
  SPRINGG_RETURN_IF_ERROR(data_.base.reserve(end));
  SPRINGG_RETURN_IF_ERROR(data_.nodes.reserve(numbers));
  return data_.blocks.reserve(blocks);
}

// Gives the batch's rows their empty links and numbers, which nobody can see yet.
void BatchInserter::lay_out(std::uint32_t end) {
  const std::uint32_t rows = end - begin_;
  new_numbers_ = data_.upper_count.load(std::memory_order_relaxed);
  new_blocks_ = data_.block_count;
  upper_number_.assign(rows, kNoRow);
  places_.assign(rows, {});
  const std::uint32_t top = *std::max_element(levels_.begin(), levels_.end());
  layers_.assign(top + 1, {});
  const std::uint32_t m = data_.options.m;
  for (std::uint32_t i = 0; i < rows; ++i) {
    std::fill_n(data_.base.row(begin_ + i), 2 * m, kNoRow);
    layers_[0].sources.push_back(begin_ + i);
    const std::uint32_t level = levels_[i];
    if (level == 0) continue;
    std::uint32_t* node = data_.nodes.row(new_numbers_);
    node[0] = begin_ + i;
    node[1] = static_cast<std::uint32_t>(new_blocks_);
    for (std::uint32_t l = 1; l <= level; ++l) {
      std::fill_n(data_.blocks.row(new_blocks_ + l - 1), m, kNoRow);
      places_[i].push_back(static_cast<std::uint32_t>(layers_[l].sources.size()));
      layers_[l].sources.push_back(new_numbers_);
    }
    upper_number_[i] = new_numbers_++;
    new_blocks_ += level;
  }
  for (LayerBatch& layer : layers_) layer.chosen.resize(layer.sources.size() * m);
}

// The pool has the candidates; their ranks from `number` are known.
template <class Layer>
void BatchInserter::link_forward(const Layer& layer, std::uint32_t number, std::size_t place,
                                 LayerBatch& batch, Worker& worker) {
  const SearchPool& pool = thread_scratch().pool;
  worker.candidates.clear();
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const Key key = pool.keys()[i];
    worker.candidates.push_back({rank_of(key), number_of(key)});
  }
  spread_ties(worker.candidates, number);
  const std::size_t m = data_.options.m;
  Neighbor* chosen = batch.chosen.data() + place * m;
  const std::size_t count =
      select_neighbors(worker.pairs, layer, worker.candidates, {m, m}, chosen);
  std::uint32_t* links = layer.links(number);
  for (std::size_t i = 0; i < count; ++i) store_relaxed(links + i, chosen[i].row);
  if (count < m) chosen[count].row = kNoRow;
}

// Exact ranks in the place of estimates, for all of the pool: links are chosen by comparing them
// with exact ranks of pairs, and most of these vectors are needed for that.
template <class Layer>
void BatchInserter::rank_exactly(const Layer& layer, const Query& query) {
  SearchScratch& scratch = thread_scratch();
  SearchPool& pool = scratch.pool;
  for (std::size_t begin = 0; begin < pool.size(); begin += SearchScratch::kLinksMax) {
    const std::size_t count = std::min(pool.size() - begin, SearchScratch::kLinksMax);
    Key* const keys = pool.keys() + begin;
    for (std::size_t i = 0; i < count; ++i) scratch.rows[i] = layer.row_of(number_of(keys[i]));
    query.gather(space_, scratch.rows, count, scratch.ranks);
    for (std::size_t i = 0; i < count; ++i) {
      keys[i] = make_key(scratch.ranks[i], number_of(keys[i]));
    }
  }
  std::sort(pool.keys(), pool.keys() + pool.size());
}

// Ranks of all rows of the batch from each of `queries`, which lie one after another.
void BatchInserter::rank_peers(std::span<const Query> queries, Worker& worker) {
  const std::size_t peers = levels_.size();
  worker.peer_ranks.resize(queries.size() * peers);
  worker.packed.pack(space_, queries);
  worker.packed.scan(space_, 0, queries.size(), begin_, static_cast<std::uint32_t>(peers),
                     worker.peer_ranks.data());
}

// The frozen graph does not have the batch's own rows, and rows that come together are often alike.
void BatchInserter::offer_peers(const std::uint32_t* numbers, const float* ranks, std::size_t count,
                                std::uint32_t self, SearchPool& pool) {
  for (std::size_t i = 0; i < count; ++i) {
    const Key key = make_key(ranks[i], numbers[i]);
    if (key < pool.bound() && numbers[i] != self) pool.insert(key);
  }
}

void BatchInserter::insert_row(std::uint32_t index, const Query& query, const float* peer_ranks,
                               Worker& worker) {
  if (codes_ != nullptr) {
    query.unit_length(space_, worker.unit_query);
    worker.code_query.prepare(*codes_, worker.unit_query.data());
    if (worker.code_query.usable()) {
      insert_row(index, CodeRanker{*codes_, worker.code_query}, query, peer_ranks, worker);
      return;
    }
  }
  insert_row(index, VectorRanker{space_, query}, query, peer_ranks, worker);
}

template <class Ranker>
void BatchInserter::insert_row(std::uint32_t index, Ranker ranker, const Query& query,
                               const float* peer_ranks, Worker& worker) {
  const GrowingSight sight(data_, kNoRow);
  SearchTask task{ranker, thread_scratch()};
  SearchPool& pool = task.scratch.pool;
  const std::size_t ef = walk_width(data_.options);
  const std::uint32_t level = levels_[index];
  const GraphStart start = sight.start();
  Found found{};
  if (sight.limit() != 0) found = descend_to(sight, std::min(level, start.layer), start, task);
  for (std::uint32_t l = level; l > 0; --l) {
    const GrowingUpper layer = sight.upper(l);
    if (l <= start.layer) {
      walk(layer, found, {.capacity = ef}, sight.numbers(), task);
      const Key nearest = pool.keys()[0];
      found = {rank_of(nearest), number_of(nearest)};
      if (l == 1) found.number = layer.row_of(found.number);
      if constexpr (Ranker::kEstimates) rank_exactly(layer, query);
    } else {
      pool.reset(ef);
    }
    const LayerBatch& batch = layers_[l];
    worker.upper_ranks.resize(batch.sources.size());
    for (std::size_t i = 0; i < batch.sources.size(); ++i) {
      worker.upper_ranks[i] = peer_ranks[layer.row_of(batch.sources[i]) - begin_];
    }
    offer_peers(batch.sources.data(), worker.upper_ranks.data(), batch.sources.size(),
                upper_number_[index], pool);
    link_forward(layer, upper_number_[index], places_[index][l - 1], layers_[l], worker);
  }
  pool.reset(ef);
  if (sight.limit() != 0) walk(sight.base(), found, {.capacity = ef}, sight.limit(), task);
  if constexpr (Ranker::kEstimates) rank_exactly(sight.base(), query);
  const LayerBatch& batch = layers_[0];
  offer_peers(batch.sources.data(), peer_ranks, batch.sources.size(), begin_ + index, pool);
  link_forward(sight.base(), begin_ + index, index, layers_[0], worker);
}

void BatchInserter::insert_rows(std::uint32_t first, std::uint32_t last, Worker& worker) {
  std::vector<Query> queries;
  queries.reserve(last - first);
  for (std::uint32_t i = first; i < last; ++i) {
    queries.emplace_back(space_, space_.vectors.row(begin_ + i));
  }
  rank_peers(queries, worker);
  for (std::uint32_t i = first; i < last && !pace_.stopped(); ++i) {
    const std::size_t at = std::size_t{i - first} * levels_.size();
    insert_row(i, queries[i - first], worker.peer_ranks.data() + at, worker);
    pace_.advance(1);
  }
}

// Rows of one batch may have chosen each other already.
std::size_t BatchInserter::drop_linked(const std::uint32_t* links, std::size_t link_count,
                                       Edge* edges, std::size_t count) noexcept {
  const auto linked = [&](const Edge& edge) {
    return std::any_of(links, links + link_count, [&](const std::uint32_t& link) {
      return load_relaxed(&link) == edge.source;
    });
  };
  return static_cast<std::size_t>(std::remove_if(edges, edges + count, linked) - edges);
}

template <class Layer>
void BatchInserter::add_links(const Layer& layer, std::uint32_t target, Edge* edges,
                              std::size_t count, Worker& worker) {
  std::uint32_t* links = layer.links(target);
  const std::uint32_t width = layer.width();
  const std::size_t old = links_in(links, width);
  count = drop_linked(links, old, edges, count);
  if (old + count <= width) {
    for (std::size_t i = 0; i < count; ++i) store_relaxed(links + old + i, edges[i].source);
    return;
  }
  std::uint32_t rows[SearchScratch::kLinksMax];
  float ranks[SearchScratch::kLinksMax];
  for (std::size_t i = 0; i < old; ++i) rows[i] = layer.row_of(load_relaxed(links + i));
  worker.pairs.set_pivot(layer.row_of(target));
  worker.pairs.rank(rows, old, ranks);
  worker.candidates.clear();
  for (std::size_t i = 0; i < old; ++i) {
    worker.candidates.push_back({ranks[i], load_relaxed(links + i)});
  }
  for (std::size_t i = 0; i < count; ++i) {
    worker.candidates.push_back({edges[i].rank, edges[i].source});
  }
  std::sort(worker.candidates.begin(), worker.candidates.end(), nearer);
  spread_ties(worker.candidates, target);
  Neighbor kept[SearchScratch::kLinksMax];
  // Room is left, so that the next links do not make it choose again at once.
  const SelectLimits most{width, width * 3 / 4};
  const std::size_t kept_count =
      select_neighbors(worker.pairs, layer, worker.candidates, most, kept);
  for (std::size_t i = 0; i < width; ++i) {
    store_relaxed(links + i, i < kept_count ? kept[i].row : kNoRow);
  }
}

template <class Layer>
void BatchInserter::link_back_part(const Layer& layer, const LayerBatch& batch, std::uint32_t part,
                                   std::uint32_t parts, Worker& worker) {
  const std::size_t m = data_.options.m;
  std::vector<Edge>& edges = worker.edges;
  edges.clear();
  for (std::size_t place = 0; place < batch.sources.size(); ++place) {
    for (std::size_t i = 0; i < m; ++i) {
      const Neighbor& link = batch.chosen[place * m + i];
      if (link.row == kNoRow) break;
      if (part_of(link.row, parts) != part) continue;
      edges.push_back({link.row, batch.sources[place], link.rank});
    }
  }
  std::sort(edges.begin(), edges.end(), by_target);
  for (std::size_t first = 0; first < edges.size();) {
    std::size_t last = first + 1;
    while (last < edges.size() && edges[last].target == edges[first].target) ++last;
    add_links(layer, edges[first].target, edges.data() + first, last - first, worker);
    first = last;
    pace_.advance(0);
  }
}

// Targets are dealt to tasks, so that a target's links are written by one task and nothing needs
// to be sorted as a whole. The result does not depend on the number of parts.
template <class Layer>
void BatchInserter::link_back(const Layer& layer, const LayerBatch& batch) {
  const auto sources = static_cast<std::uint32_t>(batch.sources.size());
  const std::uint32_t threads = executor_.concurrency();
  const std::uint32_t parts =
      threads == 1 ? 1 : std::clamp(sources / 4, std::uint32_t{1}, threads * kTasksPerThread);
  executor_.run(parts, [&](std::size_t task, unsigned worker) {
    link_back_part(layer, batch, static_cast<std::uint32_t>(task), parts, *workers_[worker]);
  });
}

void BatchInserter::publish(std::uint32_t end) {
  data_.block_count = new_blocks_;
  const std::uint32_t old_layers = data_.layers.load(std::memory_order_relaxed);
  const auto top = static_cast<std::uint32_t>(layers_.size() - 1);
  for (std::uint32_t l = old_layers + 1; l <= top; ++l) {
    data_.entries[l].store(layers_[l].sources.front(), std::memory_order_release);
  }
  data_.layers.store(std::max(top, old_layers), std::memory_order_release);
  data_.upper_count.store(new_numbers_, std::memory_order_release);
  data_.covered.store(end, std::memory_order_release);
}

Status BatchInserter::insert(std::uint32_t end) {
  SPRINGG_RETURN_IF_ERROR(reserve(end));
  lay_out(end);
  const std::uint32_t rows = end - begin_;
  const std::uint32_t threads = executor_.concurrency();
  const std::uint32_t task_rows =
      std::clamp(rows / (threads * kTasksPerThread), std::uint32_t{1}, kTaskRowsMax);
  executor_.run((rows + task_rows - 1) / task_rows, [&](std::size_t task, unsigned worker) {
    const auto first = static_cast<std::uint32_t>(task) * task_rows;
    const std::uint32_t last = std::min(rows, first + task_rows);
    insert_rows(first, last, *workers_[worker]);
  });
  if (pace_.stopped()) return failed_precondition("stopped by the caller");
  link_back(GrowingBase{&data_.base, end}, layers_[0]);
  for (std::uint32_t l = 1; l < layers_.size(); ++l) {
    link_back(GrowingUpper{&data_.nodes, &data_.blocks, l, new_numbers_, end}, layers_[l]);
  }
  publish(end);
  return {};
}

}  // namespace springg::ann
