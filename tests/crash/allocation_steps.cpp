// SPDX-License-Identifier: MIT
// The calls of allocations.cpp, in the order in which they are made.
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "allocation_trial.h"

namespace springg::crash {

namespace {

void nothing(Trial&) {}

// Names and views have no Result to say it with: they throw.
template <class Call>
Status throwing(Call call) {
  try {
    call();
  } catch (const std::bad_alloc&) {
    return {ErrorCode::kResourceExhausted, ""};
  }
  return {};
}

// --- what is prepared ---

// `first`: 100 and more, so that what verify_writing() writes is not among them.
void rows_for(Trial& t, const char* index, std::uint64_t first, std::uint64_t count) {
  t.target = t.index(index);
  t.rows = t.batch(first, count);
}

void add_rows(Trial& t) { rows_for(t, "a", t.fresh(12), 12); }
void some_rows(Trial& t) { rows_for(t, "a", 110, 20); }
void other_rows(Trial& t) { rows_for(t, "b", 110, 20); }
void many_rows(Trial& t) { rows_for(t, "a", 100, 70); }
void large_rows(Trial& t) { rows_for(t, "a", 100, 50); }

void stored_rows(Trial& t) {
  t.store("a", 100, 30);
  some_rows(t);
}

// An empty index: the next row makes its memtable.
void first_rows(Trial& t) {
  rows_for(t, "c", 0, 3);
  must(t.target->clear(), "clear");
  t.model["c"].clear();
}

void rows_without_graph(Trial& t) {
  t.target = t.index("graph");
  must(t.target->clear(), "clear");
  t.model["graph"].clear();
  for (std::uint64_t first = 0; first < 300; first += 60) t.store("graph", first, 60);
}

void search_of(Trial& t, const char* index) {
  rows_for(t, index, 0, 30);
  t.upsert(index, t.rows);
}

// A call may have been done although memory was short: then it is undone for the next try.
void called(Trial& t, const std::string& name) {
  const std::string other = name == "b" ? kLongName : "b";
  if (t.model.contains(name)) return;
  must(t.database->rename_index(other, name), "rename");
  t.renamed(other, name);
}

void without(Trial& t, const std::string& name) {
  if (t.model.erase(name) != 0) must(t.database->drop_index(name), "drop");
}

// --- what is called ---

Status upsert(Trial& t) {
  return status_of(t.target->upsert(t.rows.ids, t.rows.vectors(), &t.rows.metadata, nullptr));
}

Status search(Trial& t, SearchOptions options, std::size_t queries = 1) {
  MatrixView vectors = t.rows.vectors();
  vectors.rows = queries;
  options.k = 5;
  options.ef = limits::kEfMax;
  options.include.vectors = true;
  SPRINGG_ASSIGN_OR_RETURN(t.answer, t.target->search(vectors, options, nullptr));
  return {};
}

// --- what holds then ---

void rows_are_stored(Trial& t) {
  for (const auto& [id, row] : t.rows.rows) t.model[t.target->name()][id] = row;
}

void rows_are_gone(Trial& t) {
  for (const auto& [id, row] : t.rows.rows) t.model[t.target->name()].erase(id);
}

void metadata_is_stored(Trial& t) {
  Rows& rows = t.model[t.target->name()];
  for (std::size_t i = 0; i < t.rows.ids.size(); ++i) {
    if (!t.rows.metadata.has(i)) continue;
    std::string& row = rows.at(describe(t.rows.ids[i]));
    const std::size_t vector_bytes = t.rows.vectors().dimensions * sizeof(float);
    row.replace(0, row.size() - vector_bytes, t.rows.metadata.text(i));
  }
}

void nearest_are_found(Trial& t) {
  for (std::size_t i = 0; i < t.answer.queries; ++i) {
    if (t.answer.counts[i] != t.answer.k || t.answer.distances[i * t.answer.k] > 1e-3F) {
      throw Broken("a search did not find the row that it was asked for");
    }
  }
}

// --- the calls ---

const Step kWrites[] = {
    {"create_index", [](Trial& t) { without(t, "c"); },
     [](Trial& t) {
       IndexOptions options;
       options.dimensions = 6;
       return status_of(t.database->create_index("c", options, false));
     },
     [](Trial& t) { t.model["c"]; }, &nothing},
    {"first_rows", &first_rows, &upsert, &rows_are_stored, &nothing},
    {"add", &add_rows,
     [](Trial& t) {
       return status_of(t.target->add(t.rows.ids, t.rows.vectors(), &t.rows.metadata, nullptr));
     },
     &rows_are_stored, &nothing},
    {"upsert", &some_rows, &upsert, &rows_are_stored, &nothing},
    {"upsert_half", &other_rows, &upsert, &rows_are_stored, &nothing},
    {"update_metadata", &stored_rows,
     [](Trial& t) {
       return status_of(t.target->update(t.rows.ids, nullptr, &t.rows.metadata, nullptr));
     },
     &metadata_is_stored, &nothing},
    {"update", &stored_rows,
     [](Trial& t) {
       const MatrixView vectors = t.rows.vectors();
       return status_of(t.target->update(t.rows.ids, &vectors, &t.rows.metadata, nullptr));
     },
     [](Trial& t) {
       metadata_is_stored(t);
       for (const auto& [id, row] : t.rows.rows) {
         const std::size_t vector_bytes = t.rows.vectors().dimensions * sizeof(float);
         std::string& stored = t.model["a"].at(id);
         stored.replace(stored.size() - vector_bytes, vector_bytes, row, row.size() - vector_bytes);
       }
     },
     &nothing},
    {"remove", &stored_rows, [](Trial& t) { return status_of(t.target->remove(t.rows.ids)); },
     &rows_are_gone, &nothing},
    {"bulk", &many_rows, &upsert, &rows_are_stored, &nothing},
    {"beside_log", &large_rows, &upsert, &rows_are_stored, &nothing},
    {"flush", [](Trial& t) { t.several_parts(); }, [](Trial& t) { return t.database->flush(); },
     &nothing, &nothing},
    {"optimize", [](Trial& t) { t.several_parts(); },
     [](Trial& t) { return t.target->optimize(nullptr); }, &nothing, &nothing},
    {"wait_indexed", &rows_without_graph, [](Trial& t) { return t.target->wait_indexed(); },
     &nothing, &nothing},
    {"flush_graph", &rows_without_graph, [](Trial& t) { return t.database->flush(); }, &nothing,
     &nothing},
    {"rename", [](Trial& t) { called(t, "b"); },
     [](Trial& t) { return t.database->rename_index("b", kLongName); },
     [](Trial& t) { t.renamed("b", kLongName); }, &nothing},
    {"rename_back", [](Trial& t) { called(t, kLongName); },
     [](Trial& t) { return t.database->rename_index(kLongName, "b"); },
     [](Trial& t) { t.renamed(kLongName, "b"); }, &nothing},
    {"clear", [](Trial& t) { t.several_parts(); }, [](Trial& t) { return t.target->clear(); },
     [](Trial& t) { t.model["a"].clear(); }, &nothing},
    {"drop",
     [](Trial& t) {
       without(t, "c");
       t.create("c", Metric::kL2, ScalarType::kFloat32);
       t.store("c", 0, 3);
     },
     [](Trial& t) { return t.database->drop_index("c"); }, [](Trial& t) { t.model.erase("c"); },
     &nothing},
    {"sync", &nothing, [](Trial& t) { return t.database->sync(); }, &nothing, &nothing},
};

const Step kReads[] = {
    {"search", [](Trial& t) { search_of(t, "graph"); }, [](Trial& t) { return search(t, {}); },
     &nearest_are_found, &nothing},
    {"search_exact", [](Trial& t) { search_of(t, "a"); },
     [](Trial& t) {
       SearchOptions options;
       options.exact = true;
       return search(t, options);
     },
     &nearest_are_found, &nothing},
    {"search_batch", [](Trial& t) { search_of(t, "graph"); },
     [](Trial& t) { return search(t, {}, 30); }, &nearest_are_found, &nothing},
    {"search_filtered", [](Trial& t) { search_of(t, "b"); },
     [](Trial& t) {
       SearchOptions options;
       options.filter.ids = &t.rows.ids;
       return search(t, options);
     },
     &nearest_are_found, &nothing},
    {"search_masked",
     [](Trial& t) {
       t.several_parts();
       search_of(t, "a");
       t.mask.assign(must(t.target->rows(), "rows"), 1);
     },
     [](Trial& t) {
       SearchOptions options;
       options.filter.mask = t.mask;
       return search(t, options);
     },
     &nearest_are_found, &nothing},
    {"get", [](Trial& t) { search_of(t, "b"); },
     [](Trial& t) {
       return status_of(t.target->get(t.rows.ids, {true, true}));
     },
     &nothing, &nothing},
    {"view", [](Trial& t) { search_of(t, "b"); },
     [](Trial& t) {
       SPRINGG_ASSIGN_OR_RETURN(t.view, t.target->view());
       return throwing([&] {
         static_cast<void>(t.view->ids(0, 20));
         static_cast<void>(t.view->records(0, 20, {true, true}));
         static_cast<void>(t.view->vector_block());
       });
     },
     &nothing, &nothing},
    {"names", [](Trial& t) { t.target = t.index("graph"); },
     [](Trial& t) {
       return throwing([&] {
         static_cast<void>(t.target->name());
         static_cast<void>(t.database->path());
       });
     },
     &nothing, &nothing},
    {"statistics", [](Trial& t) { t.several_parts(); },
     [](Trial& t) {
       SPRINGG_RETURN_IF_ERROR(status_of(t.database->stats()));
       SPRINGG_RETURN_IF_ERROR(status_of(t.database->memory_usage()));
       SPRINGG_RETURN_IF_ERROR(status_of(t.database->background_error()));
       return status_of(t.target->stats());
     },
     &nothing, &nothing},
    {"unknown_index", &nothing,
     [](Trial& t) {
       Status status = status_of(t.database->index("graphs"));
       return status.code() == ErrorCode::kNotFound ? Status() : status;
     },
     &nothing, &nothing},
    {"check", [](Trial& t) { t.several_parts(); },
     [](Trial& t) {
       SPRINGG_ASSIGN_OR_RETURN(t.report, t.database->check(false));
       return Status();
     },
     [](Trial& t) {
       if (!t.report.ok()) throw Broken("a check found " + t.report.problems.front().what);
     },
     &nothing},
};

// What may happen while memory is short elsewhere.
bool done(const Status& status) {
  if (!status.ok() && status.code() != ErrorCode::kResourceExhausted) must(status, "a call");
  return status.ok();
}

void wait_until_quiet() {
  for (std::uint64_t before = 0, quiet = 0; quiet < 5; ++quiet) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (std::exchange(before, allocations_counted()) != allocations_counted()) quiet = 0;
  }
}

}  // namespace

std::vector<Step> steps() {
  std::vector<Step> all(std::begin(kWrites), std::end(kWrites));
  all.insert(all.end(), std::begin(kReads), std::end(kReads));
  const std::span<const Step> files = file_steps();
  all.insert(all.end(), files.begin(), files.end());
  return all;
}

void work_for_all_threads(Trial& t) {
  // Segments that are merged, memtables that become some, and a log that goes on in new files.
  for (std::uint64_t i = 0; i < 5; ++i) {
    rows_for(t, "a", 200 + i * 70, 70);
    if (done(upsert(t))) rows_are_stored(t);
    other_rows(t);
    if (done(upsert(t))) rows_are_stored(t);
    rows_for(t, "graph", 0, 30);
    if (!done(upsert(t))) continue;
    rows_are_stored(t);
    if (done(search(t, {}, 30))) nearest_are_found(t);
  }
  wait_until_quiet();
  static_cast<void>(done(t.database->flush()));
  // Waits for merges.
  static_cast<void>(done(t.index("a")->optimize(nullptr)));
}

}  // namespace springg::crash
