// SPDX-License-Identifier: MIT
#include "script.h"

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <utility>

namespace springg::crash {

namespace {

constexpr int kTries = 3;  // of opening, when it may be a passing error that refused it

Result<std::shared_ptr<engine::DatabaseCore>> open_core(const std::string& path,
                                                        std::uint64_t log_bytes_max) {
  DatabaseOptions options;
  options.threads = 1;
  options.log_bytes_max = log_bytes_max;
  engine::Tuning tuning;
  tuning.memtable_call_rows_max = 16;
  tuning.logged_vector_bytes_max = 200;
  tuning.log_file_bytes_min = 4096;
  tuning.log_file_bytes_max = 8192;
  return engine::DatabaseCore::open(path, options, &io::posix_file_system(), &base::system_unix_ms,
                                    tuning);
}

std::string hex(std::uint64_t value) {
  char text[17];
  (void)std::snprintf(text, sizeof text, "%016" PRIx64, value);
  return text;
}

// In one call: a line is there whole or not at all.
void tell(std::string line) {
  line += '\n';
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, line.data(), line.size());
}

Row row_of(std::uint64_t id, int round) {
  Row row;
  for (std::size_t d = 0; d < kDimensions; ++d) {
    row.vector.push_back(static_cast<float>(id * 7 + d * 3 + 1) + static_cast<float>(round) * 0.5F);
  }
  if (id % 3 != 0) {
    row.metadata = "{\"n\":" + std::to_string(id) + ",\"round\":" + std::to_string(round) +
                   ",\"t\":\"" + std::string(id % 5 == 0 ? 600 : 5, 'x') + "\"}";
  }
  return row;
}

Model::Rows rows_from(std::uint64_t first, std::uint64_t count, int round) {
  Model::Rows rows;
  for (std::uint64_t id = first; id < first + count; ++id) rows[id] = row_of(id, round);
  return rows;
}

struct Columns {
  explicit Columns(const Model::Rows& rows) {
    for (const auto& [id, row] : rows) {
      ids.append_integer(id);
      row.metadata.has_value() ? metadata.append(*row.metadata) : metadata.append_none();
      values.insert(values.end(), row.vector.begin(), row.vector.end());
    }
  }
  MatrixView vectors() const { return {values.data(), ids.size(), kDimensions, kDimensions}; }

  IdColumn ids;
  MetadataColumn metadata;
  std::vector<float> values;
};

}  // namespace

Script::Script(std::string path, std::uint64_t log_bytes_max)
    : path_(std::move(path)), log_bytes_max_(log_bytes_max) {}

bool Script::open_again() {
  for (int i = 0; i < kTries; ++i) {
    auto opened = open_core(path_, log_bytes_max_);
    if (opened.ok()) {
      database_ = std::move(opened).value();
      return true;
    }
    tell("error\topen: " + opened.status().message());
  }
  return false;
}

bool Script::open() {
  if (!open_again()) return false;
  auto models = models_of(*database_, 1);
  if (!models.ok()) {
    tell("fault\tafter opening: " + models.status().message());
    return false;
  }
  visible_ = std::move(models.value().front());
  alternatives_.clear();
  behind_.clear();
  log_failed_ = false;
  tell_allowed({});
  return true;
}

void Script::tell_allowed(const std::vector<Model>& more) const {
  std::string line = "allowed\t" + hex(visible_.fingerprint());
  for (const auto* list : {&alternatives_, &behind_, &more}) {
    for (const Model& model : *list) line += '\t' + hex(model.fingerprint());
  }
  tell(line);
}

void Script::check_readers(const std::string& after) {
  const auto found = fingerprint_of(*database_);
  if (!found.ok()) {
    tell("fault\treaders get an error after " + after + ": " + found.status().message());
  } else if (*found != visible_.fingerprint()) {
    tell("fault\treaders see " + hex(*found) + " and not " + hex(visible_.fingerprint()) +
         " after " + after);
  }
}

template <class Call, class Apply>
void Script::step(const std::string& what, Kind kind, Durability durability, Call call,
                  Apply apply) {
  std::vector<Model> alternatives = alternatives_;
  for (Model& model : alternatives) apply(model);
  Model after = visible_;
  apply(after);
  std::vector<Model> more = alternatives;
  more.push_back(after);
  tell_allowed(more);
  const Status status = call();
  if (status.ok()) {
    if (durability == Durability::kBuffered) {
      behind_.push_back(visible_);
    } else {
      behind_.clear();
    }
    visible_ = std::move(after);
    alternatives_ = std::move(alternatives);
  } else if (kind != Kind::kBarrier && !log_failed_ && !database_->runtime().log->failure().ok()) {
    // The call on which the log failed, or a manifest whose name may not be on the disk: readers
    // must not see it, and whether it is there shows the next open. A call that fails before, on a
    // file of its own, or after that has not reached it.
    log_failed_ = true;
    alternatives_.push_back(std::move(after));
  }
  // Any other error says that nothing has changed.
  tell_allowed({});
  tell((status.ok() ? "done\t" : "error\t") + what + (status.ok() ? "" : ": " + status.message()));
  if (!status.ok()) check_readers(what + ": " + status.message());
}

void Script::create(const std::string& name) {
  IndexOptions options;
  options.dimensions = kDimensions;
  options.metric = Metric::kL2;
  step(
      "create " + name, Kind::kStructure, Durability::kDisk,
      [&] { return database_->create_index(name, options, false).status(); },
      [&](Model& model) { model.indexes()[name]; });
}

void Script::drop(const std::string& name) {
  step(
      "drop " + name, Kind::kStructure, Durability::kDisk,
      [&] { return database_->drop_index(name); },
      [&](Model& model) { model.indexes().erase(name); });
}

void Script::rename(const std::string& from, const std::string& to) {
  step(
      "rename " + from, Kind::kStructure, Durability::kDisk,
      [&] { return database_->rename_index(from, to); },
      [&](Model& model) {
        auto rows = std::move(model.indexes()[from]);
        model.indexes().erase(from);
        model.indexes()[to] = std::move(rows);
      });
}

void Script::clear(const std::string& name) {
  step(
      "clear " + name, Kind::kStructure, Durability::kDisk,
      [&]() -> Status {
        SPRINGG_ASSIGN_OR_RETURN(const auto index, database_->index(name));
        return index->clear();
      },
      [&](Model& model) { model.indexes()[name].clear(); });
}

void Script::change_rows(const std::string& what, Durability durability, const std::string& name,
                         Status (*call)(Index&, const Model::Rows&, Durability),
                         const Model::Rows& rows, bool erase) {
  step(
      what + " " + std::to_string(rows.size()) + " rows of " + name, Kind::kRows, durability,
      [&]() -> Status {
        // An index whose making failed is not there, and that is right.
        SPRINGG_ASSIGN_OR_RETURN(const auto index, database_->index(name));
        return call(*index, rows, durability);
      },
      [&](Model& model) {
        const auto found = model.indexes().find(name);
        if (found == model.indexes().end()) return;
        for (const auto& [id, row] : rows) {
          if (erase) {
            found->second.erase(id);
            continue;
          }
          Row& target = found->second[id];
          if (!row.vector.empty()) target.vector = row.vector;
          if (row.metadata.has_value() || what == "store") target.metadata = row.metadata;
        }
      });
}

void Script::store(const std::string& name, std::uint64_t first, std::uint64_t count, int round,
                   Durability durability) {
  change_rows(
      "store", durability, name,
      [](Index& index, const Model::Rows& rows, Durability level) {
        const Columns columns(rows);
        return index.upsert(columns.ids, columns.vectors(), &columns.metadata, nullptr, level)
            .status();
      },
      rows_from(first, count, round), false);
}

void Script::update(const std::string& name, std::uint64_t first, std::uint64_t count, int round) {
  change_rows(
      "update", Durability::kDisk, name,
      [](Index& index, const Model::Rows& rows, Durability level) {
        const Columns columns(rows);
        const MatrixView vectors = columns.vectors();
        return index.update(columns.ids, &vectors, &columns.metadata, nullptr, level).status();
      },
      rows_from(first, count, round), false);
}

void Script::patch(const std::string& name, std::uint64_t first, std::uint64_t count, int round) {
  Model::Rows rows = rows_from(first, count, round);
  for (auto& [id, row] : rows) {
    row.vector.clear();
    row.metadata = "{\"patched\":" + std::to_string(round) + "}";
  }
  change_rows(
      "patch", Durability::kDisk, name,
      [](Index& index, const Model::Rows& patched, Durability level) {
        const Columns columns(patched);
        return index.update(columns.ids, nullptr, &columns.metadata, nullptr, level).status();
      },
      rows, false);
}

void Script::erase(const std::string& name, std::uint64_t first, std::uint64_t count) {
  change_rows(
      "delete", Durability::kDisk, name,
      [](Index& index, const Model::Rows& rows, Durability level) {
        return index.remove(Columns(rows).ids, level).status();
      },
      rows_from(first, count, 0), true);
}

void Script::flush() {
  step(
      "flush", Kind::kBarrier, Durability::kDisk, [&] { return database_->flush(); },
      [](Model&) {});
}

void Script::sync() {
  step(
      "sync", Kind::kBarrier, Durability::kDisk, [&] { return database_->sync(); }, [](Model&) {});
}

void Script::optimize(const std::string& name) {
  step(
      "optimize " + name, Kind::kBarrier, Durability::kBuffered,
      [&]() -> Status {
        SPRINGG_ASSIGN_OR_RETURN(const auto index, database_->index(name));
        return index->optimize(nullptr);
      },
      [](Model&) {});
}

bool Script::reopen(bool clean) {
  if (clean) {
    const Status status = database_->close();
    tell((status.ok() ? "done\t" : "error\t") + std::string("close: ") + status.message());
    if (!status.ok() && !database_->gone()) check_readers("close: " + status.message());
  }
  database_->abandon();
  database_.reset();
  std::vector<std::uint64_t> allowed{visible_.fingerprint()};
  for (const auto* list : {&alternatives_, &behind_}) {
    for (const Model& model : *list) allowed.push_back(model.fingerprint());
  }
  if (!open()) return false;
  if (std::find(allowed.begin(), allowed.end(), visible_.fingerprint()) == allowed.end()) {
    tell("fault\topened again, it holds " + hex(visible_.fingerprint()));
  }
  return true;
}

void Script::end() {
  if (database_ != nullptr) check_readers("all of it");
}

Result<std::uint64_t> judge_directory(const std::string& path) {
  std::optional<std::uint64_t> first;
  for (int i = 0; i < 2; ++i) {
    SPRINGG_ASSIGN_OR_RETURN(const auto core, open_core(path, std::uint64_t{256} << 20));
    const auto found = fingerprint_of(*core);
    core->abandon();
    if (!found.ok()) return found;
    if (first.value_or(*found) != *found) {
      return Status(ErrorCode::kInternal,
                    "opened twice, it holds " + hex(*first) + ", then " + hex(*found));
    }
    first = *found;
  }
  return *first;
}

}  // namespace springg::crash
