// SPDX-License-Identifier: MIT
// Operations on a database one after another, each told to a pipe before and after it: which states
// the directory may hold should the process end there. Goes on after errors, and holds the engine
// to what it says about them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/database_core.h"
#include "oracle.h"

namespace springg::crash {

// Lines, of fields between tabs:
//   allowed FINGERPRINT ...   the states that the directory may hold from now on
//   done WHAT                 the call came back with ok
//   error WHAT                or with an error
//   fault WHAT                the engine broke a promise in this process
class Script {
 public:
  Script(std::string path, std::uint64_t log_bytes_max);

  // False when the database does not open: the rest makes no sense.
  bool open();
  void create(const std::string& name);
  void drop(const std::string& name);
  void rename(const std::string& from, const std::string& to);
  void clear(const std::string& name);
  // Rows of the ids [first, first + count); the round makes their values others.
  void store(const std::string& name, std::uint64_t first, std::uint64_t count, int round,
             Durability durability = Durability::kDisk);
  void update(const std::string& name, std::uint64_t first, std::uint64_t count, int round);
  void patch(const std::string& name, std::uint64_t first, std::uint64_t count, int round);
  void erase(const std::string& name, std::uint64_t first, std::uint64_t count);
  void flush();
  void sync();
  void optimize(const std::string& name);
  bool reopen(bool clean);
  void end();  // compares what readers see once more

 private:
  enum class Kind { kRows, kStructure, kBarrier };

  template <class Call, class Apply>
  void step(const std::string& what, Kind kind, Durability durability, Call call, Apply apply);
  void change_rows(const std::string& what, Durability durability, const std::string& name,
                   Status (*call)(Index&, const Model::Rows&, Durability), const Model::Rows& rows,
                   bool erase);
  bool open_again();
  void tell_allowed(const std::vector<Model>& more) const;
  void check_readers(const std::string& after);

  const std::string path_;
  const std::uint64_t log_bytes_max_;
  std::shared_ptr<engine::DatabaseCore> database_;
  Model visible_;
  // With an operation in it whose outcome is unknown.
  std::vector<Model> alternatives_;
  // Before writes that were only buffered.
  std::vector<Model> behind_;
  bool log_failed_ = false;
};

// Opens the directory twice, as after a crash, and says what it holds.
Result<std::uint64_t> judge_directory(const std::string& path);

}  // namespace springg::crash
