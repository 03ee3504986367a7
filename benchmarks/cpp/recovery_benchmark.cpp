// SPDX-License-Identifier: MIT
// How fast is the log read again after a crash? Rows a second of opening a directory whose log has
// N rows of 128 dimensions and no segment, until an exact search answers; and until the graph is
// whole. Once with one row a record, once with a hundred. Prints one JSON document.
//
//   recovery_benchmark [DIRECTORY] [ROWS]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "engine/database_core.h"

namespace {

using springg::engine::DatabaseCore;

constexpr std::size_t kDimensions = 128;

[[noreturn]] void stop(const springg::Status& status) {
  std::fprintf(stderr, "recovery_benchmark: %s\n", status.message().c_str());
  std::exit(1);
}

template <class T>
T taken(springg::Result<T> result) {
  if (!result.ok()) stop(result.status());
  return std::move(result).value();
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::shared_ptr<DatabaseCore> open(const std::string& directory) {
  springg::DatabaseOptions options;
  options.threads = 2;
  options.durability = springg::Durability::kProcess;
  options.log_bytes_max = ~std::uint64_t{0};  // no checkpoint: all of it is to be read again
  return taken(DatabaseCore::open(directory, options, &springg::io::posix_file_system(),
                                  &springg::base::system_unix_ms));
}

void write_log(const std::string& directory, std::size_t rows, std::size_t rows_a_call) {
  std::filesystem::remove_all(directory);
  const auto core = open(directory);
  springg::IndexOptions settings;
  settings.dimensions = kDimensions;
  const auto index = taken(core->create_index("rows", settings, false));
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows_a_call * kDimensions);
  for (std::size_t row = 0; row < rows; row += rows_a_call) {
    springg::IdColumn ids;
    for (std::size_t i = 0; i < rows_a_call; ++i) ids.append_integer(row + i);
    for (float& value : values) value = normal(random);
    taken(
        index->add(ids, {values.data(), rows_a_call, kDimensions, kDimensions}, nullptr, nullptr));
  }
  core->abandon();
}

void measure(const std::string& directory, std::size_t rows, std::size_t rows_a_call, bool last) {
  write_log(directory, rows, rows_a_call);
  const auto begin = std::chrono::steady_clock::now();
  const auto core = open(directory);
  const auto index = taken(core->index("rows"));
  const double opened = seconds_since(begin);
  std::vector<float> query(kDimensions, 0.1F);
  springg::SearchOptions options;
  options.exact = true;
  const auto hits =
      taken(index->search({query.data(), 1, kDimensions, kDimensions}, options, nullptr));
  const double answered = seconds_since(begin);
  if (taken(index->rows()) != rows || hits.counts[0] != 10) std::exit(1);
  if (const auto status = index->wait_indexed(); !status.ok()) stop(status);
  std::printf(
      "    {\"rows\": %zu, \"rows_a_record\": %zu, \"open_s\": %.2f, \"first_exact_answer_s\": "
      "%.2f, \"rows_per_second\": %.0f, \"whole_graph_s\": %.1f}%s\n",
      rows, rows_a_call, opened, answered, static_cast<double>(rows) / answered,
      seconds_since(begin), last ? "" : ",");
  core->abandon();
}

}  // namespace

int main(int count, char** values) {
  const std::string directory =
      std::string(count > 1 ? values[1] : ".") + "/recovery_benchmark.tmp";
  const std::size_t rows = count > 2 ? std::strtoull(values[2], nullptr, 10) : 300'000;
  std::printf("{\n  \"figures\": [\n");
  measure(directory, rows, 1, false);
  measure(directory, rows, 100, true);
  std::printf("  ]\n}\n");
  std::filesystem::remove_all(directory);
  return 0;
}
