// SPDX-License-Identifier: MIT
#include "workload.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace springg::crash {

namespace {

std::string compact_metadata(std::uint64_t value) {
  // Some of it large, so that records cross sectors and pages.
  const std::string filling(value % 7 == 0 ? 700 : value % 20, 'x');
  return "{\"n\":" + std::to_string(value) + ",\"t\":\"" + filling + "\"}";
}

class Workload {
 public:
  Workload(const WorkloadSettings& settings, std::shared_ptr<engine::DatabaseCore>& database,
           const Reopen& reopen, const std::function<std::uint64_t()>& clock, Journal* journal)
      : settings_(settings),
        database_(database),
        reopen_(reopen),
        clock_(clock),
        journal_(journal),
        random_(settings.seed),
        model_(settings.model) {}

  std::vector<Operation> run() {
    const std::uint64_t now = clock_();
    done_.push_back({"nothing", now, now, Durability::kDisk, Outcome::kOk, model_.fingerprint()});
    if (model_.indexes().empty()) create();
    for (int i = 0; i < settings_.operations; ++i) {
      if (done_.back().outcome == Outcome::kUnknown || database_ == nullptr) break;
      step();
      if (settings_.rests_one_in != 0 && (i + 1) % settings_.rests_one_in == 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
      }
    }
    return std::move(done_);
  }

 private:
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  void step() {
    const std::uint64_t draw = below(100);
    if (model_.indexes().empty()) {
      create();
    } else if (draw < 40) {
      store(false);
    } else if (draw < 52) {
      store(true);
    } else if (draw < 64) {
      patch();
    } else if (draw < 82) {
      erase();
    } else if (settings_.structure) {
      change_structure(draw);
    } else {
      store(false);
    }
  }

  void change_structure(std::uint64_t draw) {
    if (draw < 85 && own_names().size() < settings_.indexes_max) {
      create();
    } else if (draw < 91) {
      change_index(draw);
    } else if (draw < 95) {
      note(
          "flush", Durability::kDisk, [&] { return database_->flush(); }, [] {});
    } else if (draw < 97) {
      note(
          "sync", Durability::kDisk, [&] { return database_->sync(); }, [] {});
    } else {
      optimize_or_reopen(draw);
    }
  }

  void change_index(std::uint64_t draw) {
    const std::vector<std::string> own = own_names();
    if (own.empty()) return;
    const std::string& name = own[below(own.size())];
    if (draw < 87) {
      drop(name);
    } else if (draw < 89) {
      rename(name);
    } else {
      clear(name);
    }
  }

  void optimize_or_reopen(std::uint64_t draw) {
    if (draw == 97 || !settings_.reopen) {
      note(
          "optimize", Durability::kBuffered, [&] { return pick()->optimize(nullptr); }, [] {});
      return;
    }
    const bool clean = draw == 98;
    // What was buffered when the process ended may be gone.
    if (!clean)
      note(
          "sync", Durability::kDisk, [&] { return database_->sync(); }, [] {});
    if (done_.back().outcome != Outcome::kOk) return;
    note(
        clean ? "close and open" : "end and open", Durability::kDisk,
        [&]() -> Status {
          SPRINGG_ASSIGN_OR_RETURN(database_, reopen_(clean));
          return {};
        },
        [] {});
  }

  // Makes the call. The model is ahead of it: whoever judges must know what it was to do.
  template <class Call, class Apply>
  void note(std::string what, Durability durability, Call call, Apply apply) {
    Operation operation;
    operation.what = std::move(what);
    operation.durability = durability;
    operation.begin = clock_();
    Model before = model_;
    apply();
    operation.fingerprint = model_.fingerprint();
    const std::uint64_t last = done_.back().fingerprint;
    if (journal_ != nullptr) journal_->begin(operation);
    const Status status = call();
    operation.end = clock_();
    if (!status.ok()) {
      operation.what += ": " + status.message();
      operation.outcome =
          status.code() == ErrorCode::kIoError ? Outcome::kUnknown : Outcome::kRefused;
    }
    if (operation.outcome == Outcome::kRefused) {
      model_ = std::move(before);
      operation.fingerprint = last;
    }
    if (journal_ != nullptr) journal_->end(operation);
    done_.push_back(std::move(operation));
  }

  // Indexes that no other owner uses.
  std::vector<std::string> own_names() const {
    std::vector<std::string> names;
    for (const auto& entry : model_.indexes()) {
      if (owner_of_index(entry.first).has_value()) names.push_back(entry.first);
    }
    return names;
  }
  std::string new_name() {
    return index_name_of(settings_.owner, settings_.tag + std::to_string(names_++));
  }
  std::uint64_t id() { return settings_.owner * kIdsOfOwner + below(kIdsOfOwner); }

  const std::string& pick_name() {
    auto at = model_.indexes().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(below(model_.indexes().size())));
    return at->first;
  }
  std::shared_ptr<Index> pick() { return std::move(database_->index(pick_name())).value(); }

  Durability durability() {
    if (!settings_.all_durabilities) return Durability::kDisk;
    constexpr Durability kAll[] = {Durability::kDisk, Durability::kDisk, Durability::kProcess,
                                   Durability::kBuffered};
    return kAll[below(4)];
  }

  void create() {
    const std::string name = new_name();
    IndexOptions options;
    options.dimensions = kDimensions;
    options.metric = below(2) == 0 ? Metric::kCosine : Metric::kL2;
    note(
        "create " + name, Durability::kDisk,
        [&] { return database_->create_index(name, options, false).status(); },
        [&] { model_.indexes()[name]; });
  }
  void drop(const std::string& name) {
    note(
        "drop " + name, Durability::kDisk, [&] { return database_->drop_index(name); },
        [&] { model_.indexes().erase(name); });
  }
  void rename(const std::string& from) {
    const std::string to = new_name();
    note(
        "rename " + from + " to " + to, Durability::kDisk,
        [&] { return database_->rename_index(from, to); },
        [&] {
          auto rows = std::move(model_.indexes()[from]);
          model_.indexes().erase(from);
          model_.indexes()[to] = std::move(rows);
        });
  }
  void clear(const std::string& name) {
    note(
        "clear " + name, Durability::kDisk, [&] { return database_->index(name).value()->clear(); },
        [&] { model_.indexes()[name].clear(); });
  }

  // Mostly a few rows, sometimes as many as take another way.
  std::size_t row_count() {
    const std::uint64_t draw = below(20);
    if (draw < 12) return 1;
    return draw < 18 ? 2 + below(5) : 8 + below(20);
  }

  void store(bool update) {
    const std::string name = pick_name();
    auto& rows = model_.indexes()[name];
    std::map<std::uint64_t, Row> chosen;
    const std::size_t count = row_count();
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t id = this->id();
      if (update && !rows.contains(id)) continue;
      Row row;
      for (std::size_t d = 0; d < kDimensions; ++d) {
        row.vector.push_back(below(4) == 0 ? 0.0F : static_cast<float>(below(1000)) - 500.0F);
      }
      if (below(2) == 0) row.metadata = compact_metadata(below(1000));
      chosen[id] = std::move(row);
    }
    if (chosen.empty()) return;
    IdColumn ids;
    MetadataColumn metadata;
    std::vector<float> values;
    for (const auto& [id, row] : chosen) {
      ids.append_integer(id);
      row.metadata.has_value() ? metadata.append(*row.metadata) : metadata.append_none();
      values.insert(values.end(), row.vector.begin(), row.vector.end());
    }
    const MatrixView vectors{values.data(), chosen.size(), kDimensions, kDimensions};
    const Durability level = durability();
    const auto index = std::move(database_->index(name)).value();
    note((update ? "update " : "upsert ") + std::to_string(chosen.size()) + " rows of " + name +
             " at " + std::string(to_string(level)),
         level,
         [&] {
           return update ? index->update(ids, &vectors, &metadata, nullptr, level).status()
                         : index->upsert(ids, vectors, &metadata, nullptr, level).status();
         },
         [&] {
           for (auto& [id, row] : chosen) {
             if (update && !row.metadata.has_value()) row.metadata = rows[id].metadata;
             rows[id] = std::move(row);
           }
         });
  }

  void patch() {
    const std::string name = pick_name();
    auto& rows = model_.indexes()[name];
    std::map<std::uint64_t, std::string> chosen;
    for (const auto& [id, row] : rows) {
      if (below(5) == 0) chosen[id] = compact_metadata(below(1000));
    }
    if (chosen.empty()) return;
    IdColumn ids;
    MetadataColumn metadata;
    for (const auto& [id, text] : chosen) {
      ids.append_integer(id);
      metadata.append(text);
    }
    const Durability level = durability();
    const auto index = std::move(database_->index(name)).value();
    note(
        "metadata of " + std::to_string(chosen.size()) + " rows of " + name, level,
        [&] { return index->update(ids, nullptr, &metadata, nullptr, level).status(); },
        [&] {
          for (auto& [id, text] : chosen) rows[id].metadata = std::move(text);
        });
  }

  void erase() {
    const std::string name = pick_name();
    auto& rows = model_.indexes()[name];
    IdColumn ids;
    const std::size_t count = 1 + below(6);
    std::vector<std::uint64_t> chosen;
    for (std::size_t i = 0; i < count; ++i) {
      chosen.push_back(id());
      ids.append_integer(chosen.back());
    }
    const Durability level = durability();
    const auto index = std::move(database_->index(name)).value();
    note(
        "delete " + std::to_string(count) + " ids of " + name + " at " +
            std::string(to_string(level)),
        level, [&] { return index->remove(ids, level).status(); },
        [&] {
          for (const std::uint64_t id : chosen) rows.erase(id);
        });
  }

  const WorkloadSettings settings_;
  std::shared_ptr<engine::DatabaseCore>& database_;
  const Reopen& reopen_;
  const std::function<std::uint64_t()>& clock_;
  Journal* const journal_;
  std::mt19937_64 random_;
  Model model_;
  int names_ = 0;
  std::vector<Operation> done_;
};

}  // namespace

std::vector<Operation> run_workload(const WorkloadSettings& settings,
                                    std::shared_ptr<engine::DatabaseCore>& database,
                                    const Reopen& reopen,
                                    const std::function<std::uint64_t()>& clock, Journal* journal) {
  return Workload(settings, database, reopen, clock, journal).run();
}

}  // namespace springg::crash
