// SPDX-License-Identifier: MIT
// Random runs on a file system that loses power: after each operation of the disk, the states that
// a power cut or the end of the process may leave are opened and compared with what was
// acknowledged; some of them crash again while they are recovered.
//
//   crash_states [--states N] [--seed S] [--seconds T] [--threads N] [--garbage]
//
// Prints one JSON document. Exits with 1 after a failure, whose seed, moment and disk it prints.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/check.h"
#include "engine/database_core.h"
#include "io/fault_file_system.h"
#include "oracle.h"
#include "verdict.h"
#include "workload.h"

namespace springg::crash {

namespace {

constexpr char kPath[] = "/db";
constexpr int kDepth = 3;  // crashes in a row, while recovering
constexpr int kStatesAtAMoment = 6;

struct Settings {
  std::uint64_t states = 20'000;
  std::uint64_t seed = 1;
  double seconds = 1e9;
  unsigned threads = 2;
  bool garbage = false;
};

DatabaseOptions options() {
  DatabaseOptions made;
  made.threads = 1;
  return made;
}

// Small, so that a run of some rows sees every way that rows can take.
engine::Tuning tuning(std::uint64_t seed) {
  engine::Tuning made;
  made.memtable_call_rows_max = seed % 3 == 0 ? 16 : made.memtable_call_rows_max;
  made.logged_vector_bytes_max = seed % 2 == 0 ? 200 : made.logged_vector_bytes_max;
  made.log_file_bytes_min = 4096;
  made.log_file_bytes_max = seed % 5 == 0 ? 4096 : 16'384;
  return made;
}

std::uint64_t no_time() { return 1'700'000'000'000; }

Result<std::shared_ptr<engine::DatabaseCore>> open_core(io::FileSystem& files, std::uint64_t seed) {
  return engine::DatabaseCore::open(kPath, options(), &files, &no_time, tuning(seed));
}

class Seed {
 public:
  Seed(std::uint64_t seed, const Settings& settings) : seed_(seed), settings_(settings) {}

  // False after a failure, which has been printed.
  bool run(const std::atomic<bool>& stop, Counts& counts) {
    record();
    const io::History history = files_.history();
    std::mt19937_64 random(seed_ * 7919 + 13);
    for (std::uint64_t n = history.first(); n <= history.end() && !stop.load(); ++n) {
      const io::CrashPoint point = history.at(n);
      for (int i = 0; i < kStatesAtAMoment; ++i) {
        if (!power_cut(point, n, random(), i, counts)) return false;
      }
      if (!process_end(point, n, counts)) return false;
    }
    return true;
  }

 private:
  void record() {
    auto database = std::move(open_core(files_, seed_)).value();
    const Reopen reopen = [&](bool clean) -> Result<std::shared_ptr<engine::DatabaseCore>> {
      if (!clean) database->abandon();
      if (clean) SPRINGG_RETURN_IF_ERROR(database->close());
      database.reset();
      return open_core(files_, seed_);
    };
    WorkloadSettings workload;
    workload.seed = seed_;
    run_ = run_workload(workload, database, reopen, [&] { return files_.operations(); });
    if (database != nullptr) database->abandon();
  }

  static Result<std::uint64_t> recover(io::FileSystem& files, std::uint64_t seed) {
    SPRINGG_ASSIGN_OR_RETURN(const auto core, open_core(files, seed));
    const auto found = fingerprint_of(*core);
    core->abandon();
    return found;
  }

  // After one more write: a reader in another process has what the writer has, also behind what a
  // recovery cut, and a check finds nothing. Returns what is wrong.
  std::string read_elsewhere(io::FileSystem& files) const {
    const auto wrong = [](const Status& status) { return "afterwards: " + status.message(); };
    auto opened = open_core(files, seed_);
    if (!opened.ok()) return wrong(opened.status());
    const auto writer = std::move(opened).value();
    IndexOptions settings;
    settings.dimensions = kDimensions;
    const auto made = writer->create_index(index_name_of(0, "one-more"), settings, true);
    if (!made.ok()) return wrong(made.status());
    const float values[kDimensions] = {1, 2};
    IdColumn id;
    id.append_integer(1);
    const MatrixView row{values, 1, kDimensions, kDimensions};
    const auto written = (*made)->upsert(id, row, nullptr, nullptr);
    if (!written.ok()) return wrong(written.status());
    const auto expected = fingerprint_of(*writer);
    writer->abandon();
    DatabaseOptions reading = options();
    reading.read_only = true;
    engine::Tuning sizes = tuning(seed_);
    sizes.follow_interval_ms = 0;
    const auto reader = engine::DatabaseCore::open(kPath, reading, &files, &no_time, sizes);
    if (!reader.ok()) return "a reader: " + reader.status().message();
    const auto seen = fingerprint_of(**reader);
    (*reader)->abandon();
    if (!seen.ok() || !expected.ok() || *seen != *expected) return "a reader sees something else";
    const auto report = engine::check_directory(files, kPath);
    if (!report.ok()) return "a check: " + report.status().message();
    return report->ok() ? "" : "a check: " + report->problems.front().what;
  }

  bool power_cut(const io::CrashPoint& point, std::uint64_t clock, std::uint64_t random, int which,
                 Counts& counts) {
    io::RandomCrash kind;
    kind.garbage = settings_.garbage;
    const io::CrashChoice choice = which == 0 ? point.prefix(random % (point.unsynced().size() + 1))
                                              : point.random(random, kind);
    Allowed allowed = allowed_states(run_, clock, Crash::kPowerCut);
    auto disk = point.power_cut(choice);
    std::string story = point.describe(choice);
    for (int depth = 0; depth < kDepth; ++depth) {
      const std::uint64_t first = disk->operations();
      const auto found = recover(*disk, seed_);
      std::size_t stands_at = 0;
      const std::string fault = judge(run_, allowed, found, settings_.garbage, counts, &stands_at);
      if (!fault.empty()) return fail(clock, fault, story);
      // Every fourth state crashes again, while it was being recovered or afterwards.
      if (!found.ok()) return true;
      if ((random >> depth) % 4 != 0) {
        if (random >> 32 & 7U) return true;
        const std::string elsewhere = read_elsewhere(*disk);
        if (elsewhere.empty()) return true;
        ++counts.false_refusals;
        return fail(clock, elsewhere, story);
      }
      const io::History history = disk->history();
      const std::uint64_t moment = first + (random >> 8) % (history.end() - first + 1);
      // What was served once recovery had ended must not be taken back.
      if (moment == history.end()) allowed.least = stands_at;
      const io::CrashPoint again = history.at(moment);
      const io::CrashChoice second = again.random(random + static_cast<std::uint64_t>(depth), kind);
      story += "\nthen, at operation " + std::to_string(moment) + " of the recovery:\n" +
               again.describe(second);
      auto next = again.power_cut(second);
      disk = std::move(next);
    }
    return true;
  }

  bool process_end(const io::CrashPoint& point, std::uint64_t clock, Counts& counts) {
    const Allowed allowed = allowed_states(run_, clock, Crash::kProcessEnd);
    const auto disk = point.process_crash();
    const std::string fault = judge(run_, allowed, recover(*disk, seed_), false, counts);
    return fault.empty() || fail(clock, fault, "the process ended there, nothing was lost");
  }

  bool fail(std::uint64_t clock, const std::string& fault, const std::string& story) {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    std::fprintf(stderr, "seed %llu, before operation %llu of the disk: %s\n%s\n",
                 static_cast<unsigned long long>(seed_), static_cast<unsigned long long>(clock),
                 fault.c_str(), story.c_str());
    for (std::size_t i = 0; i < run_.size(); ++i) {
      std::fprintf(stderr, "  %3zu  [%llu, %llu)  %s%s\n", i,
                   static_cast<unsigned long long>(run_[i].begin),
                   static_cast<unsigned long long>(run_[i].end), run_[i].what.c_str(),
                   run_[i].outcome == Outcome::kOk ? "" : "  (not ok)");
    }
    return false;
  }

  const std::uint64_t seed_;
  const Settings& settings_;
  io::FaultFileSystem files_;
  std::vector<Operation> run_;
};

int run(const Settings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  std::atomic<std::uint64_t> next_seed{settings.seed};
  std::atomic<std::uint64_t> states{0};
  std::atomic<bool> stop{false};
  std::vector<Counts> counts(settings.threads);
  std::vector<std::thread> threads;
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  for (unsigned t = 0; t < settings.threads; ++t) {
    threads.emplace_back([&, t] {
      while (!stop && states < settings.states && elapsed() < settings.seconds) {
        Counts of_seed;
        if (!Seed(next_seed++, settings).run(stop, of_seed)) stop = true;
        states += of_seed.states;
        counts[t].add(of_seed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Counts all;
  for (const Counts& one : counts) all.add(one);
  std::printf(
      "{\"harness\": \"crash_states\", \"first_seed\": %llu, \"seeds\": %llu, \"states\": %llu, "
      "\"lost_acked\": %llu, \"resurrected\": %llu, \"false_refusals\": %llu, \"refusals\": %llu, "
      "\"garbage\": %s, \"seconds\": %.1f}\n",
      static_cast<unsigned long long>(settings.seed),
      static_cast<unsigned long long>(next_seed - settings.seed),
      static_cast<unsigned long long>(all.states), static_cast<unsigned long long>(all.lost_acked),
      static_cast<unsigned long long>(all.resurrected),
      static_cast<unsigned long long>(all.false_refusals),
      static_cast<unsigned long long>(all.refusals), settings.garbage ? "true" : "false",
      elapsed());
  return all.failures() == 0 ? 0 : 1;
}

int usage() {
  std::fprintf(stderr,
               "usage: crash_states [--states N] [--seed S] [--seconds T] [--threads N] "
               "[--garbage]\n");
  return 2;
}

}  // namespace

int main_of(int count, char** values) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string option = values[i];
    if (option == "--garbage") {
      settings.garbage = true;
      continue;
    }
    if (i + 1 == count) return usage();
    const char* value = values[++i];
    if (option == "--states") {
      settings.states = std::strtoull(value, nullptr, 10);
    } else if (option == "--seed") {
      settings.seed = std::strtoull(value, nullptr, 10);
    } else if (option == "--seconds") {
      settings.seconds = std::strtod(value, nullptr);
    } else if (option == "--threads") {
      settings.threads = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
    } else {
      return usage();
    }
  }
  return run(settings);
}

}  // namespace springg::crash

int main(int count, char** values) { return springg::crash::main_of(count, values); }
