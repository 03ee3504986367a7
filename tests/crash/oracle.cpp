// SPDX-License-Identifier: MIT
#include "oracle.h"

#include <cstdlib>
#include <span>
#include <string_view>
#include <utility>

#include "base/checksum.h"

namespace springg::crash {

namespace {

std::uint64_t hash(std::string_view text) { return base::xxh3(text); }

std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 31;
  value *= 0x9e3779b97f4a7c15U;
  return value ^ (value >> 29);
}

std::uint64_t row_hash(std::uint64_t index, std::uint64_t id, const Row& row) {
  std::uint64_t sum = mix(index + id);
  sum = mix(sum ^ base::xxh3(std::as_bytes(std::span(row.vector))));
  return mix(sum ^ (row.metadata.has_value() ? hash(*row.metadata) : 1));
}

Status disagree(const std::string& index, const std::string& what) {
  return Status(ErrorCode::kInternal, "index '" + index + "': " + what);
}

// Every row is found by an exact search as well, and nothing else is.
Status check_search(const Index& index, const std::vector<float>& vectors,
                    const Model::Rows& rows) {
  const std::size_t dimensions = index.options().dimensions;
  SearchOptions options;
  options.k = rows.size();
  options.exact = true;
  const MatrixView query{vectors.data(), 1, dimensions, dimensions};
  SPRINGG_ASSIGN_OR_RETURN(const SearchResult hits, index.search(query, options, nullptr));
  if (hits.counts[0] != rows.size()) {
    return disagree(index.name(), "an exact search found " + std::to_string(hits.counts[0]) +
                                      " of " + std::to_string(rows.size()) + " rows");
  }
  std::map<std::uint64_t, int> seen;
  for (std::size_t i = 0; i < hits.ids.size(); ++i) {
    const std::uint64_t id = hits.ids[i].integer();
    if (!rows.contains(id) || ++seen[id] != 1) {
      return disagree(index.name(), "a search found the phantom " + std::to_string(id));
    }
  }
  return {};
}

Result<Model::Rows> rows_of(Index& index, bool reader) {
  const std::string name = index.name();
  SPRINGG_ASSIGN_OR_RETURN(const auto view, index.view());
  SPRINGG_ASSIGN_OR_RETURN(const std::size_t count, index.rows());
  SPRINGG_ASSIGN_OR_RETURN(const IndexStats stats, index.stats());
  if (!reader && !stats.read_only.empty()) return corruption(stats.read_only);
  const RecordBatch batch = view->records(0, view->rows(), {.metadata = true, .vectors = true});
  if (count != view->rows() || batch.ids.size() != count) {
    return disagree(name, "rows() says " + std::to_string(count) + ", its view has " +
                              std::to_string(batch.ids.size()));
  }
  const std::size_t dimensions = index.options().dimensions;
  Model::Rows rows;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t id = batch.ids[i].integer();
    SPRINGG_ASSIGN_OR_RETURN(const bool there, index.contains(batch.ids[i]));
    if (!there) return disagree(name, "id " + std::to_string(id) + " is listed and not found");
    const float* vector = batch.vectors.data() + i * dimensions;
    Row row;
    row.vector.assign(vector, vector + dimensions);
    if (batch.metadata->has(i)) row.metadata = std::string(batch.metadata->text(i));
    if (!rows.emplace(id, std::move(row)).second) {
      return disagree(name, "id " + std::to_string(id) + " comes twice");
    }
  }
  if (count != 0) SPRINGG_RETURN_IF_ERROR(check_search(index, batch.vectors, rows));
  return rows;
}

}  // namespace

std::string index_name_of(std::uint64_t owner, const std::string& name) {
  return "w" + std::to_string(owner) + "_" + name;
}

std::optional<std::uint64_t> owner_of_index(const std::string& name) {
  if (!name.starts_with('w') || name.find('_') == std::string::npos) return std::nullopt;
  return std::strtoull(name.c_str() + 1, nullptr, 10);
}

std::uint64_t Model::fingerprint() const {
  std::uint64_t sum = 0;
  for (const auto& [name, rows] : indexes_) {
    const std::uint64_t name_hash = hash(name);
    sum += mix(name_hash);
    for (const auto& [id, row] : rows) sum += row_hash(name_hash, id, row);
  }
  return sum;
}

Result<std::vector<Model>> models_of(engine::DatabaseCore& database, std::size_t owners) {
  std::vector<Model> models(owners);
  for (const std::string& name : database.index_names()) {
    const std::optional<std::uint64_t> of = owner_of_index(name);
    if (of.has_value() && *of >= owners) return disagree(name, "is nobody's");
    for (std::size_t owner = 0; owner < owners; ++owner) {
      if (of.value_or(owner) == owner) models[owner].indexes()[name];
    }
    SPRINGG_ASSIGN_OR_RETURN(const auto index, database.index(name));
    SPRINGG_ASSIGN_OR_RETURN(Model::Rows rows, rows_of(*index, database.options().read_only));
    for (auto& [id, row] : rows) {
      const std::uint64_t owner = of.value_or(id / kIdsOfOwner);
      if (owner >= owners) return disagree(name, "id " + std::to_string(id) + " is nobody's");
      models[owner].indexes()[name].emplace(id, std::move(row));
    }
  }
  return models;
}

Result<std::uint64_t> fingerprint_of(engine::DatabaseCore& database) {
  SPRINGG_ASSIGN_OR_RETURN(const std::vector<Model> models, models_of(database, 1));
  return models.front().fingerprint();
}

}  // namespace springg::crash
