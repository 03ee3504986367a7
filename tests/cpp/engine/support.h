// SPDX-License-Identifier: MIT
// What the engine's tests share: seeded data, a temporary directory, short ways to say things.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "engine/database_core.h"
#include "springg/database.h"

namespace springg::test {

inline DatabaseOptions two_threads() {
  DatabaseOptions options;
  options.threads = 2;
  return options;
}

// The background puts an index in order when nobody has changed it for `rest_ms`; 0: never, so that
// its parts stay what a test made of them.
inline std::shared_ptr<Database> open_memory(DatabaseOptions options = two_threads(),
                                             std::uint32_t rest_ms = 0) {
  engine::Tuning tuning;
  tuning.rest_ms = rest_ms;
  auto opened = engine::open_in_memory(options, tuning);
  REQUIRE(opened.ok());
  return opened.value();
}

struct Rows {
  std::size_t dimensions;
  std::vector<float> values;

  std::size_t size() const { return values.size() / dimensions; }
  MatrixView view(std::size_t begin, std::size_t count) const {
    return {values.data() + begin * dimensions, count, dimensions, dimensions};
  }
  MatrixView all() const { return view(0, size()); }
  Rows part(std::size_t begin, std::size_t count) const {
    const float* first = values.data() + begin * dimensions;
    return {dimensions, std::vector<float>(first, first + count * dimensions)};
  }
};

inline Rows random_rows(std::size_t rows, std::size_t dimensions, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Rows made{dimensions, std::vector<float>(rows * dimensions)};
  for (float& value : made.values) value = normal(random);
  return made;
}

inline IdColumn numbers(std::uint64_t begin, std::uint64_t end) {
  IdColumn ids;
  for (std::uint64_t id = begin; id < end; ++id) ids.append_integer(id);
  return ids;
}

inline IdColumn strings(const std::vector<std::string>& texts) {
  IdColumn ids;
  for (const std::string& text : texts) ids.append_string(text);
  return ids;
}

inline MetadataColumn texts(const std::vector<std::string>& entries) {  // "" for none
  MetadataColumn column;
  for (const std::string& text : entries) {
    text.empty() ? column.append_none() : column.append(text);
  }
  return column;
}

// `Owner`: Database or engine::DatabaseCore.
template <class Owner>
std::shared_ptr<Index> make_index(Owner& database, std::size_t dimensions,
                                  Metric metric = Metric::kL2, const std::string& name = "words") {
  IndexOptions options;
  options.dimensions = dimensions;
  options.metric = metric;
  auto index = database.create_index(name, options, false);
  REQUIRE(index.ok());
  return index.value();
}

// Catch prints what the status says when it is not the one expected.
inline void require_ok(const Status& status) {
  INFO(status.message());
  REQUIRE(status.ok());
}
template <class T>
T require_value(Result<T> result) {
  require_ok(result.status());
  return std::move(result).value();
}
inline void require_error(const Status& status, ErrorCode code, const std::string& message) {
  CHECK(to_string(status.code()) == to_string(code));
  CHECK(status.message() == message);
}

inline std::size_t row_count(const Index& index) { return require_value(index.rows()); }

inline std::vector<std::uint64_t> found_numbers(const SearchResult& result) {
  return {result.ids.integers().begin(), result.ids.integers().end()};
}

// Whether `condition` holds within ten seconds: for what the background brings about.
template <class Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

// Stops a call when it first asks.
class StopAtOnce final : public Progress {
 public:
  bool update(std::uint64_t, std::uint64_t) override {
    ++calls;
    return false;
  }
  int calls = 0;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "springg-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace springg::test
