// SPDX-License-Identifier: MIT
// The calls of allocations.cpp that read or write whole files: copies, readers, opening and
// closing.
#include <filesystem>
#include <utility>

#include "allocation_trial.h"

namespace springg::crash {

namespace {

void nothing(Trial&) {}

void changed_files(Trial& t) {
  t.several_parts();
  must(t.database->flush(), "flush");
  t.store("a", 100, 60);
  t.remove("b", t.batch(101, 1));
}

void other_has_all(Trial& t) { must_equal(contents_of(*t.other), t.model, "in the other"); }

void refresh_shows_all(Trial& t) {
  must(t.other->refresh(), "refresh");
  other_has_all(t);
}

void other_is_given_back(Trial& t) {
  other_has_all(t);
  t.other = nullptr;
}

// After an open that failed.
void opens_now(Trial& t) {
  t.other = must(open_small(t.target_path), "open after a failure");
  other_is_given_back(t);
}

void no_file_is_left(Trial& t) {
  // What cannot be listed for want of memory cannot be removed.
  if (t.shortage != Shortage::kOnce || !std::filesystem::exists(t.target_path)) return;
  for (const auto& entry : std::filesystem::directory_iterator(t.target_path)) {
    if (entry.path().filename() != "LOCK") throw Broken("left: " + entry.path().string());
  }
}

void copy_has_all(Trial& t) {
  t.other = must(open_small(t.target_path, true), "open a copy");
  other_is_given_back(t);
}

void reopen(Trial& t) { t.database = must(open_small(t.path("db")), "open"); }

// --- of the process's register ---

constexpr char kRegistered[] = "registered";

Result<std::shared_ptr<Database>> open_registered(const std::string& path) {
  DatabaseOptions options;
  options.threads = 1;
  return Database::open(path, options);
}

void closed_copy(Trial& t) {
  t.other = nullptr;
  t.target_path = t.path(kRegistered);
  t.copy_files(kRegistered);
}

void open_copy(Trial& t) {
  closed_copy(t);
  t.other = must(open_registered(t.target_path), "open");
}

// The directory is free, and the register knows that.
void registered_again(Trial& t) {
  opens_now(t);
  t.other = must(open_registered(t.target_path), "open once more");
  other_is_given_back(t);
  opens_now(t);
}

// --- the calls ---

const Step kSteps[] = {
    {"snapshot",
     [](Trial& t) {
       t.several_parts();
       t.target_path = t.path("snapshot");
       t.remove_files("snapshot");
     },
     [](Trial& t) { return status_of(t.database->snapshot(t.target_path)); }, &copy_has_all,
     &no_file_is_left},
    {"restore",
     [](Trial& t) {
       t.remove_files("snapshot");
       t.source_path = t.path("snapshot");
       must(t.database->snapshot(t.source_path), "snapshot");
       t.target_path = t.path("restored");
       t.remove_files("restored");
     },
     [](Trial& t) { return restore(t.source_path, t.target_path); }, &copy_has_all,
     &no_file_is_left},
    {"open_reader",
     [](Trial& t) {
       changed_files(t);
       t.other = nullptr;
       t.target_path = t.path("db");
     },
     [](Trial& t) {
       SPRINGG_ASSIGN_OR_RETURN(t.other, open_small(t.target_path, true));
       return Status();
     },
     &other_has_all, &nothing},
    {"refresh_of_log",
     [](Trial& t) {
       t.store("a", 100, 20);
       t.store("a", 100, 70);
       t.remove("b", t.batch(102, 1));
     },
     [](Trial& t) { return t.other->refresh(); }, &other_has_all, &refresh_shows_all},
    {"refresh_of_manifest",
     [](Trial& t) {
       changed_files(t);
       const bool again = t.model.contains(kLongName);
       const std::string from = again ? kLongName : "graph";
       const std::string to = again ? "graph" : kLongName;
       if (again) {
         must(t.database->drop_index("new"), "drop");
         t.model.erase("new");
       } else {
         t.create("new", Metric::kL2, ScalarType::kFloat32);
       }
       must(t.database->rename_index(from, to), "rename");
       t.renamed(from, to);
     },
     [](Trial& t) { return t.other->refresh(); }, &other_has_all, &refresh_shows_all},
    {"open_after_crash",
     [](Trial& t) {
       changed_files(t);
       t.other = nullptr;
       t.target_path = t.path("copy");
       t.copy_files("copy");
     },
     [](Trial& t) {
       SPRINGG_ASSIGN_OR_RETURN(t.other, open_small(t.target_path));
       return Status();
     },
     &other_is_given_back, &opens_now},
    {"close", &changed_files, [](Trial& t) { return t.database->close(); },
     [](Trial& t) {
       t.database = nullptr;
       reopen(t);
     },
     &nothing},
    {"end_without_close",
     [](Trial& t) {
       changed_files(t);
       t.target = nullptr;
     },
     [](Trial& t) {
       t.database = nullptr;
       return Status();
     },
     &reopen, &nothing},
    {"open_registered", &closed_copy,
     [](Trial& t) {
       SPRINGG_ASSIGN_OR_RETURN(t.other, open_registered(t.target_path));
       return Status();
     },
     [](Trial& t) {
       other_is_given_back(t);
       registered_again(t);
     },
     &registered_again},
    {"close_registered", &open_copy, [](Trial& t) { return t.other->close(); },
     [](Trial& t) {
       t.other = nullptr;
       registered_again(t);
     },
     [](Trial& t) {
       other_is_given_back(t);
       registered_again(t);
     }},
    {"end_of_registered", &open_copy,
     [](Trial& t) {
       t.other = nullptr;
       return Status();
     },
     &registered_again, &nothing},
};

}  // namespace

std::span<const Step> file_steps() { return kSteps; }

}  // namespace springg::crash
