// SPDX-License-Identifier: MIT
#include "ann/hnsw_build.h"

#include <algorithm>

namespace springg::ann {

namespace {

constexpr std::uint32_t kBatchPart = 50;                // at most 2 % of the graph
constexpr std::uint32_t kBatchRowsMax = 4096;
constexpr std::uint32_t kBatchCandidatesMax = 1 << 20;  // rows x ef_construction
constexpr std::uint32_t kTaskRowsMax = 8;
constexpr std::uint32_t kTasksPerThread = 8;

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

BatchInserter::BatchInserter(GrowingData& data, const Space& space, base::Executor& executor,
                             Pace& pace)
    : data_(data), space_(space), executor_(executor), pace_(pace) {
  for (unsigned i = 0; i < executor.concurrency(); ++i) {
    workers_.push_back(std::make_unique<Worker>(space));
  }
}

std::uint32_t BatchInserter::batch_rows(std::uint32_t covered) const noexcept {
  const std::uint32_t most =
      std::min(kBatchRowsMax, kBatchCandidatesMax / data_.options.ef_construction);
  return std::clamp(covered / kBatchPart, std::uint32_t{1}, most);
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
  for (LayerBatch& layer : layers_) layer.ranks.resize(layer.sources.size() * m);
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
  Neighbor kept[SearchScratch::kLinksMax];
  const std::size_t m = data_.options.m;
  const std::size_t count =
      select_neighbors(worker.pairs, layer, worker.candidates, m, kept);
  std::uint32_t* links = layer.links(number);
  for (std::size_t i = 0; i < count; ++i) {
    store_relaxed(links + i, kept[i].row);
    batch.ranks[place * m + i] = kept[i].rank;
  }
}

void BatchInserter::insert_row(std::uint32_t index, Worker& worker) {
  const GrowingSight sight(data_, kNoRow);
  if (sight.limit() == 0) return;
  const std::uint32_t row = begin_ + index;
  const Query query(space_, worker.pairs.stored_floats(row));
  SearchTask task{space_, query, thread_scratch()};
  const std::size_t ef = data_.options.ef_construction;
  const GraphStart start = sight.start();
  const std::uint32_t level = std::min(levels_[index], start.layer);
  Found found = descend_to(sight, level, start, task);
  for (std::uint32_t l = level; l > 0; --l) {
    const GrowingUpper layer = sight.upper(l);
    walk(layer, found, ef, sight.numbers(), task);
    const Key nearest = task.scratch.pool.keys()[0];
    found = {rank_of(nearest), number_of(nearest)};
    link_forward(layer, upper_number_[index], places_[index][l - 1], layers_[l], worker);
    if (l == 1) found.number = layer.row_of(found.number);
  }
  walk(sight.base(), found, ef, sight.limit(), task);
  link_forward(sight.base(), row, index, layers_[0], worker);
}

template <class Layer>
void BatchInserter::add_links(const Layer& layer, std::uint32_t target, const Edge* edges,
                              std::size_t count, Worker& worker) {
  std::uint32_t* links = layer.links(target);
  const std::uint32_t width = layer.width();
  const std::size_t old = links_in(links, width);
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
  Neighbor kept[SearchScratch::kLinksMax];
  const std::size_t kept_count =
      select_neighbors(worker.pairs, layer, worker.candidates, width, kept);
  for (std::size_t i = 0; i < width; ++i) {
    store_relaxed(links + i, i < kept_count ? kept[i].row : kNoRow);
  }
}

template <class Layer>
void BatchInserter::link_back_part(const Layer& layer, const LayerBatch& batch,
                                   std::uint32_t part, std::uint32_t parts, Worker& worker) {
  const std::size_t m = data_.options.m;
  std::vector<Edge>& edges = worker.edges;
  edges.clear();
  for (std::size_t place = 0; place < batch.sources.size(); ++place) {
    const std::uint32_t source = batch.sources[place];
    const std::uint32_t* links = layer.links(source);
    for (std::size_t i = 0; i < m; ++i) {
      const std::uint32_t target = load_relaxed(links + i);
      if (target == kNoRow) break;
      if (part_of(target, parts) != part) continue;
      edges.push_back({target, source, batch.ranks[place * m + i]});
    }
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    if (a.target != b.target) return a.target < b.target;
    return a.rank < b.rank || (a.rank == b.rank && a.source < b.source);
  });
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
    for (std::uint32_t i = first; i < last && !pace_.stopped(); ++i) {
      insert_row(i, *workers_[worker]);
      pace_.advance(1);
    }
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
