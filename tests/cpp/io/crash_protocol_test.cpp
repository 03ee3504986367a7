// SPDX-License-Identifier: MIT
// The instrument finds the classic mistakes: a file replaced without one of the steps that make it
// durable. All steps in order, and no crash does harm.
#include "crash_disk.h"

namespace springg::io::test {

namespace {

struct Steps {
  bool sync = true;
  bool sync_before_rename = true;
  bool sync_directory = true;
};

// Replaces /a by `text`, with the steps given.
Status replace(FileSystem& files, std::string_view text, const Steps& steps) {
  SPRINGG_ASSIGN_OR_RETURN(auto file, files.create("/a.tmp", 0));
  SPRINGG_RETURN_IF_ERROR(file->append(bytes_of(text)));
  if (steps.sync && steps.sync_before_rename) SPRINGG_RETURN_IF_ERROR(file->sync());
  SPRINGG_RETURN_IF_ERROR(files.rename("/a.tmp", "/a"));
  if (steps.sync && !steps.sync_before_rename) SPRINGG_RETURN_IF_ERROR(file->sync());
  if (!steps.sync_directory) return {};
  return files.sync_directory("/");
}

struct Harm {
  std::uint64_t lost = 0;   // acknowledged, and the old file was there
  std::uint64_t mixed = 0;  // neither the old nor the new one
};

Harm harm_of(const Steps& steps) {
  const std::string old_text(3'000, 'o'), new_text(5'000, 'n');
  FaultFileSystem files;
  make_durable_file(files, "/a", old_text);
  files.make_durable();
  require_ok(replace(files, new_text, steps));
  const std::uint64_t acknowledged = files.operations();
  const History history = files.history();
  Harm harm;
  const auto look = [&](const CrashPoint& point, const CrashChoice& choice) {
    const Contents disk = contents_of(*point.power_cut(choice));
    const auto found = disk.find("a");
    const std::string text = found == disk.end() ? "" : found->second;
    if (text != old_text && text != new_text) {
      ++harm.mixed;
    } else if (point.operation() >= acknowledged && text != new_text) {
      ++harm.lost;
    }
  };
  for (std::uint64_t at = history.first(); at <= history.end(); ++at) {
    const CrashPoint point = history.at(at);
    for (std::size_t parts = 0; parts <= point.unsynced().size(); ++parts) {
      look(point, point.prefix(parts));
    }
    for (std::uint64_t seed = 0; seed < 200; ++seed) look(point, point.random(seed));
  }
  return harm;
}

}  // namespace

TEST_CASE("a file that is replaced with all steps survives every crash") {
  const Harm harm = harm_of({});
  CHECK(harm.lost == 0);
  CHECK(harm.mixed == 0);
}

TEST_CASE("a missing sync of the file is found") {
  const Harm harm = harm_of({.sync = false});
  CHECK(harm.mixed > 0);
}

TEST_CASE("a rename before the sync is found") {
  const Harm harm = harm_of({.sync_before_rename = false});
  CHECK(harm.lost == 0);
  CHECK(harm.mixed > 0);
}

TEST_CASE("a missing sync of the directory is found") {
  const Harm harm = harm_of({.sync_directory = false});
  CHECK(harm.lost > 0);
  CHECK(harm.mixed == 0);
}

TEST_CASE("a sync that is tried again after it failed is found") {
  FaultFileSystem files({.record_history = true, .errors_stick = false});
  const auto file = make_durable_file(files, "/a", "");
  require_ok(file->append(bytes_of("acknowledged")));
  Fault fault;
  fault.calls = {Call::kSync};
  files.inject(fault);
  CHECK_FALSE(file->sync().ok());
  require_ok(file->sync());
  const CrashPoint point = files.crash_point();
  CHECK(contents_of(*point.power_cut(point.prefix(0))).at("a") == std::string(12, '\0'));
}

}  // namespace springg::io::test
