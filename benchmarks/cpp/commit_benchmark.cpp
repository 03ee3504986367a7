// SPDX-License-Identifier: MIT
// What does durability cost? Rows a second of writers that each add one row a call at `disk`,
// beside a bare loop that writes and syncs as many bytes, in turns; once on a disk whose sync takes
// 1 ms, once on that of a directory. CPU time a commit. Prints one JSON document.
//
//   commit_benchmark [DIRECTORY]     by default the current one
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/database_core.h"
#include "io/fault_file_system.h"

namespace {

using springg::engine::DatabaseCore;

constexpr std::size_t kDimensions = 128;
constexpr std::size_t kRecordBytes = 64 + 24 + 8 + kDimensions * 4 + 8 + 8;
constexpr int kPairs = 9;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Of this thread: the graph, which follows in the background, is no part of a commit.
double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

[[noreturn]] void stop(const springg::Status& status) {
  std::fprintf(stderr, "commit_benchmark: %s\n", status.message().c_str());
  std::exit(1);
}

template <class T>
T taken(springg::Result<T> result) {
  if (!result.ok()) stop(result.status());
  return std::move(result).value();
}

// Writes and syncs of a record's size into a file that was written before, a second.
double bare_rate(springg::io::FileSystem& files, const std::string& directory, int syncs) {
  const std::string path = directory + "/bare";
  static_cast<void>(files.remove(path));
  const auto file = taken(files.create(path, 0));
  const std::vector<std::byte> zeros(std::size_t{1} << 20);
  if (const auto status = file->append(zeros); !status.ok()) stop(status);
  if (const auto status = file->sync(); !status.ok()) stop(status);
  const std::vector<std::byte> record(kRecordBytes, std::byte{7});
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < syncs; ++i) {
    const std::uint64_t offset = static_cast<std::uint64_t>(i) * kRecordBytes % (zeros.size() / 2);
    if (const auto status = file->write_at(offset, record); !status.ok()) stop(status);
    if (const auto status = file->sync(); !status.ok()) stop(status);
  }
  return syncs / seconds_since(begin);
}

struct Rate {
  double commits_per_second, cpu_us;
};

Rate engine_rate(springg::io::FileSystem& files, const std::string& directory, unsigned writers,
                 int commits) {
  springg::DatabaseOptions options;
  options.threads = 2;
  const auto core =
      taken(DatabaseCore::open(directory, options, &files, &springg::base::system_unix_ms));
  springg::IndexOptions settings;
  settings.dimensions = kDimensions;
  const auto index = taken(core->create_index("rows", settings, true));
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(1000 * kDimensions);
  for (float& value : values) value = normal(random);
  const auto add = [&](std::uint64_t id) {
    springg::IdColumn ids;
    ids.append_integer(id);
    const float* row = values.data() + id % 1000 * kDimensions;
    taken(index->upsert(ids, {row, 1, kDimensions, kDimensions}, nullptr, nullptr));
  };
  add(~std::uint64_t{0});  // makes the log
  std::atomic<double> cpu{0};
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (unsigned w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      const double before = cpu_seconds();
      for (int i = 0; i < commits; ++i) add(w * 1'000'000ULL + static_cast<unsigned>(i));
      cpu.fetch_add(cpu_seconds() - before);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double all = static_cast<double>(writers) * commits;
  const Rate rate{all / seconds_since(begin), cpu.load() * 1e6 / all};
  if (const auto status = index->clear(); !status.ok()) stop(status);
  core->abandon();
  return rate;
}

void measure(const char* disk, springg::io::FileSystem& files, const std::string& directory,
             int syncs, bool last) {
  constexpr unsigned kWriters[] = {1, 16, 64};
  for (const unsigned writers : kWriters) {
    std::vector<double> ratios, bare, rates, cpu;
    for (int pair = 0; pair < kPairs; ++pair) {
      bare.push_back(bare_rate(files, directory, syncs));
      const Rate rate = engine_rate(files, directory + "/db", writers, syncs);
      rates.push_back(rate.commits_per_second);
      cpu.push_back(rate.cpu_us);
      ratios.push_back(rates.back() / bare.back());
    }
    for (auto* values : {&ratios, &bare, &rates, &cpu}) std::sort(values->begin(), values->end());
    std::printf(
        "    {\"disk\": \"%s\", \"writers\": %u, \"bare_syncs_per_second\": %.0f, "
        "\"commits_per_second\": %.0f, \"ratio\": [%.2f, %.2f, %.2f], \"cpu_us_a_commit\": "
        "%.1f}%s\n",
        disk, writers, bare[kPairs / 2], rates[kPairs / 2], ratios.front(), ratios[kPairs / 2],
        ratios.back(), cpu[kPairs / 2], last && writers == 64 ? "" : ",");
  }
}

}  // namespace

int main(int count, char** values) {
  std::string directory = std::string(count > 1 ? values[1] : ".") + "/commit_benchmark.tmp";
  std::filesystem::create_directories(directory);
  std::printf("{\n  \"record_bytes\": %zu,\n  \"figures\": [\n", kRecordBytes);
  springg::io::FaultSettings settings;
  settings.record_history = false;
  springg::io::FaultFileSystem delayed(settings);
  static_cast<void>(delayed.create_directories("/bench"));
  delayed.set_sync_delay(std::chrono::milliseconds(1));
  measure("1 ms a sync", delayed, "/bench", 200, false);
  measure("this one", springg::io::posix_file_system(), directory, 200, true);
  std::printf("  ]\n}\n");
  std::filesystem::remove_all(directory);
  return 0;
}
