// SPDX-License-Identifier: MIT
#include "allocation_trial.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <utility>

#include "engine/database_core.h"

namespace springg::crash {

namespace {

constexpr std::size_t kDimensions = 6;

std::string bytes_of(const float* vector) {
  return {reinterpret_cast<const char*>(vector), kDimensions * sizeof(float)};
}

double distance_of(Metric metric, const float* a, const float* b) {
  double product = 0;
  double squares_a = 0;
  double squares_b = 0;
  double difference = 0;
  for (std::size_t i = 0; i < kDimensions; ++i) {
    product += double{a[i]} * double{b[i]};
    squares_a += double{a[i]} * double{a[i]};
    squares_b += double{b[i]} * double{b[i]};
    difference += (double{a[i]} - double{b[i]}) * (double{a[i]} - double{b[i]});
  }
  if (metric == Metric::kL2) return std::sqrt(difference);
  const double norms = std::sqrt(squares_a * squares_b);
  return 1 - (norms == 0 ? 0 : product / norms);
}

// Each live row once, the nearest first, at the distance that it has; through graphs as well.
void check_search(const Index& index, const Rows& rows) {
  SearchOptions options;
  options.k = rows.size();
  options.ef = limits::kEfMax;
  options.include = {.metadata = false, .vectors = true};
  const std::vector<float> query{1, -2, 3, 0.5F, 0, 1};
  const MatrixView queries{query.data(), 1, kDimensions, kDimensions};
  for (const bool exact : {true, false}) {
    options.exact = exact;
    const auto hits = must(index.search(queries, options, nullptr), "search");
    if (hits.counts[0] != rows.size()) throw Broken("a search misses rows of " + index.name());
    Rows seen;
    for (std::size_t i = 0; i < hits.ids.size(); ++i) {
      const auto found = rows.find(describe(hits.ids[i]));
      const float* vector = hits.vectors.data() + i * kDimensions;
      if (found == rows.end() || !found->second.ends_with(bytes_of(vector))) {
        throw Broken("a search of " + index.name() + " found " + describe(hits.ids[i]));
      }
      if (!seen.insert(*found).second) throw Broken("a search found a row twice");
      const double expected = distance_of(index.options().metric, vector, query.data());
      const bool in_order = i == 0 || hits.distances[i - 1] <= hits.distances[i];
      if (!in_order || std::abs(expected - double{hits.distances[i]}) > 1e-3) {
        throw Broken("a search of " + index.name() + " gave a wrong distance");
      }
    }
  }
}

Rows rows_of(const Index& index) {
  const IndexStats stats = must(index.stats(), "stats");
  if (stats.read_only.find("is damaged") != std::string::npos) throw Broken(stats.read_only);
  const auto view = must(index.view(), "view");
  const RecordBatch records = view->records(0, view->rows(), {.metadata = true, .vectors = true});
  if (must(index.rows(), "rows") != records.ids.size()) throw Broken("rows() and view() differ");
  Rows rows;
  for (std::size_t i = 0; i < records.ids.size(); ++i) {
    const std::string id = describe(records.ids[i]);
    if (!must(index.contains(records.ids[i]), "contains")) throw Broken(id + " is not found");
    std::string row(records.metadata->text(i));
    row += bytes_of(records.vectors.data() + i * kDimensions);
    if (!rows.emplace(id, std::move(row)).second) throw Broken("id " + id + " comes twice");
  }
  if (!rows.empty()) check_search(index, rows);
  return rows;
}

}  // namespace

void must(const Status& status, const std::string& what) {
  if (!status.ok()) throw Broken(what + ": " + status.message());
}

Contents contents_of(const Database& database) {
  Contents contents;
  for (const std::string& name : must(database.index_names(), "index_names")) {
    contents.emplace(name, rows_of(*must(database.index(name), "index")));
  }
  return contents;
}

void must_equal(const Contents& found, const Contents& expected, const std::string& where) {
  if (found == expected) return;
  for (const auto& [name, rows] : expected) {
    const auto other = found.find(name);
    if (other == found.end()) throw Broken(where + ": index " + name + " is gone");
    for (const auto& [id, row] : rows) {
      const auto there = other->second.find(id);
      if (there == other->second.end()) {
        throw Broken(where + ": row " + id + " of " + name + " is lost");
      }
      if (there->second != row) throw Broken(where + ": row " + id + " of " + name + " is another");
    }
    for (const auto& [id, row] : other->second) {
      if (!rows.contains(id)) throw Broken(where + ": row " + id + " of " + name + " is a phantom");
    }
  }
  for (const auto& [name, rows] : found) {
    if (!expected.contains(name)) throw Broken(where + ": index " + name + " is a phantom");
  }
}

MatrixView Batch::vectors() const { return {values.data(), ids.size(), kDimensions, kDimensions}; }

Trial::Trial(std::string directory) : directory_(std::move(directory)) {
  database = must(open_small(path("db")), "open");
  create("a", Metric::kCosine, ScalarType::kFloat32);
  create("b", Metric::kL2, ScalarType::kFloat16);
  create("graph", Metric::kL2, ScalarType::kFloat32);
  upsert("a", batch(0, 30));
  upsert("b", batch(0, 30));
}

Batch Trial::batch(std::uint64_t first, std::uint64_t count) {
  Batch made;
  ++round_;
  for (std::uint64_t number = first; number < first + count; ++number) {
    number % 2 == 0 ? made.ids.append_integer(number)
                    : made.ids.append_string("row number " + std::to_string(number));
    std::string row;
    if (number % 3 == 0) {
      made.metadata.append_none();
    } else {
      row = "{\"number\":" + std::to_string(number) + ",\"round\":" + std::to_string(round_) + "}";
      made.metadata.append(row);
    }
    for (std::uint64_t column = 0; column < kDimensions; ++column) {
      // In eighths: a half keeps them as they are.
      const std::uint64_t mixed = (number + round_ * 31 + column * 7) * 0x9e3779b97f4a7c15U >> 57;
      made.values.push_back(static_cast<float>(mixed) / 8 - 8);
    }
    row += bytes_of(made.values.data() + made.values.size() - kDimensions);
    made.rows.emplace(describe(made.ids[made.ids.size() - 1]), std::move(row));
  }
  return made;
}

std::uint64_t Trial::fresh(std::uint64_t count) {
  return std::exchange(next_number_, next_number_ + count);
}

void Trial::upsert(const std::string& name, const Batch& stored) {
  must(index(name)->upsert(stored.ids, stored.vectors(), &stored.metadata, nullptr), "upsert");
  for (const auto& [id, row] : stored.rows) model[name][id] = row;
}

void Trial::remove(const std::string& name, const Batch& removed) {
  must(index(name)->remove(removed.ids), "remove");
  for (const auto& [id, row] : removed.rows) model[name].erase(id);
}

void Trial::several_parts() {
  target = index("a");
  store("a", 100, 60);
  must(database->flush(), "flush");
  store("a", 160, 8);
  must(database->flush(), "flush");
  store("a", 170, 2);
  store("b", 100, 9);
  remove("a", batch(110, 4));
  remove("a", batch(165, 1));
}

void Trial::renamed(const std::string& from, const std::string& to) {
  model[to] = std::exchange(model[from], {});
  model.erase(from);
}

void Trial::create(const std::string& name, Metric metric, ScalarType dtype) {
  IndexOptions options;
  options.dimensions = kDimensions;
  options.metric = metric;
  options.dtype = dtype;
  options.m = 4;
  options.ef_construction = 16;
  must(database->create_index(name, options, false), "create_index");
  model[name];
}

std::shared_ptr<Index> Trial::index(const std::string& name) const {
  return must(database->index(name), "index");
}

Result<std::shared_ptr<Database>> open_small(const std::string& path, bool read_only) {
  DatabaseOptions options;
  options.threads = 2;
  options.read_only = read_only;
  engine::Tuning tuning;
  tuning.log_file_bytes_min = 4096;
  tuning.log_file_bytes_max = 16'384;
  tuning.logged_vector_bytes_max = 1000;
  tuning.memtable_call_rows_max = 60;
  tuning.follow_interval_ms = 0;
  return engine::open_in(io::posix_file_system(), path, options, &base::system_unix_ms, tuning);
}

void Trial::copy_files(const std::string& to) const {
  remove_files(to);
  std::filesystem::copy(path("db"), path(to), std::filesystem::copy_options::recursive);
}

void Trial::remove_files(const std::string& name) const { std::filesystem::remove_all(path(name)); }

void Trial::verify_readers() const {
  if (database != nullptr) must_equal(contents_of(*database), model, "in memory");
}

void Trial::verify_files() const {
  const auto reader = must(open_small(path("db"), true), "a reader opens the files");
  must_equal(contents_of(*reader), model, "in files");
}

void Trial::take_background_errors() {
  IdColumn nobody;
  nobody.append_string("nobody");
  const auto raised_by = [&](const std::string& name) {
    const Status status = index(name)->remove(nobody).status();
    if (status.code() != ErrorCode::kResourceExhausted) throw Broken("an error was lost");
  };
  // stats() tell them, the next write raises them.
  for (const auto& [name, content] : model) {
    while (!must(index(name)->stats(), "stats").background_error.empty()) raised_by(name);
  }
  if (!must(database->background_error(), "background_error").empty()) raised_by("a");
}

void Trial::verify_writing() {
  if (database != nullptr) upsert("a", batch(0, 1));
}

}  // namespace springg::crash
