// SPDX-License-Identifier: MIT
#include <limits>

#include "engine/search.h"
#include "engine/vector_codec.h"

namespace springg::engine {

namespace {

// Hits are nearest first, so scores only fall: those below the minimum are the last ones.
void cut_below(HitList& hits, const IndexOptions& index, double min_score) {
  const auto low = [&](const Hit& hit) {
    const float distance = ann::distance_of_rank(index.metric, hit.rank);
    return score_of_distance(index.metric, distance, index.dimensions) < min_score;
  };
  while (!hits.empty() && low(hits.back())) hits.pop_back();
}

}  // namespace

SearchResult collect_hits(const View& view, const IndexOptions& index, const SearchOptions& options,
                          std::span<HitList> hits) {
  constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
  SearchResult result;
  result.queries = hits.size();
  result.k = options.k;
  result.distances.assign(hits.size() * options.k, kNone);
  result.scores.assign(hits.size() * options.k, kNone);
  result.counts.reserve(hits.size());
  std::size_t total = 0;
  for (HitList& list : hits) {
    if (options.min_score.has_value()) cut_below(list, index, *options.min_score);
    result.counts.push_back(static_cast<std::uint32_t>(list.size()));
    total += list.size();
  }
  result.ids.reserve(total);
  if (options.include.metadata) result.metadata.emplace();
  const VectorCodec codec(index);
  if (options.include.vectors) codec.reserve(total, result.vectors, result.byte_vectors);
  for (std::size_t query = 0; query < hits.size(); ++query) {
    std::size_t column = query * options.k;
    for (const Hit& hit : hits[query]) {
      const PartView& part = view.parts[hit.part];
      const float distance = ann::distance_of_rank(index.metric, hit.rank);
      result.distances[column] = distance;
      result.scores[column++] = score_of_distance(index.metric, distance, index.dimensions);
      result.ids.append(part.part->id(hit.row));
      if (options.include.metadata) {
        const auto text = part.metadata(hit.row);
        text.has_value() ? result.metadata->append(*text) : result.metadata->append_none();
      }
      if (options.include.vectors) {
        codec.append(part.part->space().vectors.row(hit.row), result.vectors, result.byte_vectors);
        part.part->let_go(hit.row, hit.row + 1);
      }
    }
  }
  return result;
}

}  // namespace springg::engine
