// SPDX-License-Identifier: MIT
#include "ann/hnsw_search.h"

#include <span>
#include <vector>

#include "ann/hnsw_filtered.h"
#include "ann/hnsw_sealed.h"

namespace springg::ann {

namespace {

// Rows whose estimate is so many standard deviations beyond the k-th exact rank are not ranked
// exactly. One loses recall, more gain next to none.
constexpr float kDeviations = 2;
// Rows ranked exactly between two looks at what is left.
constexpr std::size_t kStep = 8;
// Rows that are asked for ahead of their step, when they have to be read.
constexpr std::size_t kSoonMax = 64;
static_assert(SearchScratch::kLinksMax + kSoonMax <= base::RowReader::kRowsMax);

// Rows that are read before they are ranked are as many as this has room for, at least one.
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

// Ranks rows exactly where they are, or reads them first.
class ExactRanker {
 public:
  ExactRanker(const Space& space, const Query& query) : space_(space), query_(query) {
    if (space.reader == nullptr) return;
    static thread_local std::vector<std::byte> rows;
    group_ =
        std::clamp(kReadBytes / space.vectors.stride, std::size_t{1}, SearchScratch::kLinksMax);
    rows.resize(group_ * space.vectors.stride);
    read_ = rows.data();
  }

  bool reads() const noexcept { return read_ != nullptr; }
  // The ranks of scratch.rows[0, count); `soon` rows lie behind them.
  void rank(SearchScratch& scratch, std::size_t count, std::span<const std::uint32_t> soon) const {
    if (!reads()) return query_.gather(space_, scratch.rows, count, scratch.ranks);
    for (std::size_t i = 0; i < group_; ++i) scratch.vectors[i] = read_ + i * space_.vectors.stride;
    for (std::size_t at = 0; at < count; at += group_) {
      const std::size_t group = std::min(group_, count - at);
      const std::uint32_t* const rows = scratch.rows + at;
      space_.reader->read({rows, group}, at == 0 ? soon : std::span<const std::uint32_t>(), read_);
      query_.gather_at(space_, scratch.vectors, rows, group, scratch.ranks + at);
    }
  }

 private:
  const Space& space_;
  const Query& query_;
  std::byte* read_ = nullptr;
  std::size_t group_ = 0;
};

// What follows the first `at` rows of the pool and will be ranked as well, unless exact ranks turn
// out less than estimated.
std::size_t rows_to_follow(const SearchPool& pool, std::size_t at, float reach,
                           std::uint32_t* rows) {
  std::size_t count = 0;
  while (count < kSoonMax && at + count < pool.size() &&
         rank_of(pool.keys()[at + count]) <= reach) {
    rows[count] = number_of(pool.keys()[at + count]);
    ++count;
  }
  return count;
}

}  // namespace

void rank_pool_exactly(const Space& space, const Query& query, std::size_t k, std::size_t rerank,
                       float deviation, GraphAnswer& answer) {
  SearchScratch& scratch = thread_scratch();
  const SearchPool& pool = scratch.pool;
  TopK top(std::min(k, pool.size()));
  const ExactRanker ranker(space, query);
  std::uint32_t soon[kSoonMax];
  std::size_t at = 0;
  const auto rank_next = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) scratch.rows[i] = number_of(pool.keys()[at + i]);
    std::size_t followers = 0;
    if (ranker.reads() && at == 0) {
      const float farthest = rank_of(pool.keys()[count - 1]);
      followers = rows_to_follow(pool, count, farthest + kDeviations * deviation, soon);
    }
    ranker.rank(scratch, count, {soon, followers});
    for (std::size_t i = 0; i < count; ++i) {
      if (scratch.ranks[i] <= top.worst()) top.offer({scratch.ranks[i], scratch.rows[i]});
    }
    at += count;
  };
  const std::size_t least = std::min(std::max(k, rerank), pool.size());
  while (at < least) rank_next(std::min(least - at, SearchScratch::kLinksMax));
  while (at < pool.size()) {
    const float reach = top.worst() + kDeviations * deviation;
    std::size_t count = 0;
    while (count < kStep && at + count < pool.size() && rank_of(pool.keys()[at + count]) <= reach) {
      ++count;
    }
    if (count == 0) break;
    rank_next(count);
  }
  answer.distances_computed += at;
  answer.neighbors = top.take_sorted();
}

SearchScratch& thread_scratch() {
  thread_local SearchScratch scratch;
  return scratch;
}

GraphAnswer SealedGraph::search(const Space& space, const Query& query,
                                const GraphQuery& request) const {
  const SealedGraphAccess sight{*this, std::min(request.row_limit, rows_)};
  return search_rows(sight, VectorRanker{space, query}, request);
}

GraphAnswer SealedGraph::search(const Space& space, const Query& query, const quant::Codes& codes,
                                const GraphQuery& request) const {
  thread_local quant::CodeQuery code_query;
  query.unit_length(space, thread_scratch().query);
  code_query.prepare(codes, thread_scratch().query.data());
  if (!code_query.usable()) return search(space, query, request);
  const SealedGraphAccess sight{*this, std::min(request.row_limit, rows_)};
  GraphAnswer answer;
  if (sight.limit() == 0 || request.k == 0) return answer;
  const float deviation = code_query.deviation();
  const Filled filled =
      fill_with_rows(sight, CodeRanker{codes, code_query}, request, kDeviations * deviation);
  answer.distances_computed = filled.distances;
  answer.starved = filled.starved;
  rank_pool_exactly(space, query, request.k, request.rerank, deviation, answer);
  return answer;
}

}  // namespace springg::ann
