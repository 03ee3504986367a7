// SPDX-License-Identifier: MIT
// A database on which memory runs out again and again, and what it must hold: a plain map, kept by
// the test. For allocations.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "failing_memory.h"
#include "springg/database.h"

namespace springg::crash {

// What a promise that was broken looks like.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};
void must(const Status& status, const std::string& what);
template <class T>
T must(Result<T> result, const std::string& what) {
  must(result.status(), what);
  return std::move(result).value();
}

// By index and id as people read it: metadata and the bytes of the vector.
using Rows = std::map<std::string, std::string>;
using Contents = std::map<std::string, Rows>;

// Throws Broken when rows, ids, look-ups, counts and searches do not agree with each other.
Contents contents_of(const Database& database);
void must_equal(const Contents& found, const Contents& expected, const std::string& where);

struct Batch {
  IdColumn ids;
  std::vector<float> values;
  MetadataColumn metadata;
  std::map<std::string, std::string> rows;

  MatrixView vectors() const;
};

// Status without a copy, which would need memory.
template <class T>
Status status_of(Result<T> result) {
  return result.ok() ? Status() : result.take_status();
}

// Too long to stand in the string itself.
inline const std::string kLongName = "an-index-with-a-long-name";

class Trial {
 public:
  // In `directory`, which is empty.
  explicit Trial(std::string directory);

  // Rows of the numbers [first, first + count): even ones have integers as ids, others strings. Of
  // each round other vectors and metadata; every third has none.
  Batch batch(std::uint64_t first, std::uint64_t count);
  std::uint64_t fresh(std::uint64_t count);  // numbers that no row has had
  // These must succeed.
  void upsert(const std::string& name, const Batch& stored);
  void store(const std::string& name, std::uint64_t first, std::uint64_t count) {
    upsert(name, batch(first, count));
  }
  void remove(const std::string& name, const Batch& removed);
  // Rows in several segments and in the memtable, deleted ones in each. Target: that index.
  void several_parts();
  void create(const std::string& name, Metric metric, ScalarType dtype);
  std::shared_ptr<Index> index(const std::string& name) const;

  // An index has another name now.
  void renamed(const std::string& from, const std::string& to);

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  // The files of the open database, as the end of the process would leave them.
  void copy_files(const std::string& to) const;
  void remove_files(const std::string& name) const;

  // What readers here see, and what the files have; then that a write succeeds.
  void verify_readers() const;
  void verify_files() const;
  void verify_writing();
  // Each is what one write returns.
  void take_background_errors();

  std::shared_ptr<Database> database;  // null while it is closed
  Contents model;
  Shortage shortage = Shortage::kOnce;

  // What calls are made with and what they make: nothing but the call itself needs memory then.
  std::shared_ptr<Index> target;
  std::string source_path;
  std::string target_path;
  Batch rows;
  std::vector<std::uint8_t> mask;
  std::shared_ptr<const IndexView> view;
  SearchResult answer;
  CheckReport report;
  std::shared_ptr<Database> other;  // a reader, a copy, or one of the process's register

 private:
  const std::string directory_;
  std::uint64_t next_number_ = 1000;
  std::uint64_t round_ = 0;
};

// A call that may run out of memory.
struct Step {
  const char* name;
  void (*prepare)(Trial&);  // before each try; must succeed
  Status (*call)(Trial&);
  void (*done)(Trial&);    // it succeeded: what holds now
  void (*undone)(Trial&);  // it failed
};
std::vector<Step> steps();
std::span<const Step> file_steps();  // the last of them

// With small files and small limits, so that few rows see all. Needs no memory of its own.
Result<std::shared_ptr<Database>> open_small(const std::string& path, bool read_only = false);

// While the memory of the other threads runs out: writes that give all of them something to do.
// The outcome of each is looked at here.
void work_for_all_threads(Trial& trial);

}  // namespace springg::crash
