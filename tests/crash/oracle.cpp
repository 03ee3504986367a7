// SPDX-License-Identifier: MIT
#include "oracle.h"

#include <span>
#include <string_view>

#include "base/checksum.h"

namespace springg::crash {

namespace {

std::uint64_t hash(std::string_view text) { return base::xxh3(text); }

std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 31;
  value *= 0x9e3779b97f4a7c15U;
  return value ^ (value >> 29);
}

std::uint64_t row_hash(std::uint64_t index, std::uint64_t id, std::span<const float> vector,
                       std::optional<std::string_view> metadata) {
  std::uint64_t sum = mix(index + id);
  sum = mix(sum ^ base::xxh3(std::as_bytes(vector)));
  return mix(sum ^ (metadata.has_value() ? hash(*metadata) : 1));
}

Status disagree(const std::string& index, const std::string& what) {
  return Status(ErrorCode::kInternal, "index '" + index + "': " + what);
}

Result<std::uint64_t> fingerprint_of(Index& index) {
  const std::string name = index.name();
  SPRINGG_ASSIGN_OR_RETURN(const auto view, index.view());
  SPRINGG_ASSIGN_OR_RETURN(const std::size_t rows, index.rows());
  SPRINGG_ASSIGN_OR_RETURN(const IndexStats stats, index.stats());
  if (!stats.read_only.empty()) return corruption(stats.read_only);
  const RecordBatch batch = view->records(0, view->rows(), {.metadata = true, .vectors = true});
  if (rows != view->rows() || batch.ids.size() != rows) {
    return disagree(name, "rows() says " + std::to_string(rows) + ", its view has " +
                              std::to_string(batch.ids.size()));
  }
  const std::size_t dimensions = index.options().dimensions;
  std::uint64_t sum = mix(hash(name));
  std::map<std::uint64_t, int> seen;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::uint64_t id = batch.ids[i].integer();
    if (++seen[id] != 1) return disagree(name, "id " + std::to_string(id) + " comes twice");
    SPRINGG_ASSIGN_OR_RETURN(const bool there, index.contains(batch.ids[i]));
    if (!there) return disagree(name, "id " + std::to_string(id) + " is listed and not found");
    const std::span<const float> vector(batch.vectors.data() + i * dimensions, dimensions);
    std::optional<std::string_view> metadata;
    if (batch.metadata->has(i)) metadata = batch.metadata->text(i);
    sum += row_hash(hash(name), id, vector, metadata);
  }
  if (rows == 0) return sum;
  // Every row is found by an exact search as well.
  SearchOptions options;
  options.k = rows;
  options.exact = true;
  const MatrixView query{batch.vectors.data(), 1, dimensions, dimensions};
  SPRINGG_ASSIGN_OR_RETURN(const SearchResult hits, index.search(query, options, nullptr));
  if (hits.counts[0] != rows) {
    return disagree(name, "an exact search found " + std::to_string(hits.counts[0]) + " of " +
                              std::to_string(rows) + " rows");
  }
  for (std::size_t i = 0; i < hits.ids.size(); ++i) {
    if (--seen[hits.ids[i].integer()] != 0) return disagree(name, "a search found a phantom");
  }
  return sum;
}

}  // namespace

std::uint64_t Model::fingerprint() const {
  std::uint64_t sum = 0;
  for (const auto& [name, rows] : indexes_) {
    sum += mix(hash(name));
    for (const auto& [id, row] : rows) {
      std::optional<std::string_view> metadata;
      if (row.metadata.has_value()) metadata = *row.metadata;
      sum += row_hash(hash(name), id, row.vector, metadata);
    }
  }
  return sum;
}

Result<std::uint64_t> fingerprint_of(engine::DatabaseCore& database) {
  const std::vector<std::string> names = database.index_names();
  std::uint64_t sum = 0;
  for (const std::string& name : names) {
    SPRINGG_ASSIGN_OR_RETURN(const auto index, database.index(name));
    SPRINGG_ASSIGN_OR_RETURN(const std::uint64_t one, fingerprint_of(*index));
    sum += one;
  }
  return sum;
}

}  // namespace springg::crash
