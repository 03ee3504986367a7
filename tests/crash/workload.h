// SPDX-License-Identifier: MIT
// A run of random operations on a database, noted as they happen: what was asked, what came back,
// and what must be there afterwards. One seed, one run. Several runs at a time share a database as
// its owners: each has ids and indexes of its own, so that what it left can be judged by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "oracle.h"

namespace springg::crash {

enum class Outcome { kOk, kRefused, kUnknown };  // refused: nothing may have changed

struct Operation {
  std::string what;         // for people
  std::uint64_t begin = 0;  // clock before the call and after it
  std::uint64_t end = 0;
  Durability durability = Durability::kDisk;  // that an ok promises
  Outcome outcome = Outcome::kOk;
  std::uint64_t fingerprint = 0;  // of the database once it has been done
};

struct WorkloadSettings {
  std::uint64_t seed = 1;
  int operations = 60;
  bool all_durabilities = true;  // else every write is kDisk
  bool structure = true;         // creates, drops, renames and clears indexes, and flushes
  bool reopen = true;            // closes and opens: not while others use the database
  int rests_one_in = 0;          // after so many operations nothing changes for 3 ms; 0: never
  std::size_t indexes_max = 1000;
  std::uint64_t owner = 0;
  std::string tag = "index";  // in the names of indexes: another one for each run on a database
  // The database as this owner knows it when the run begins.
  Model model;
};

// Is told of each operation as it happens, by the thread that makes it.
class Journal {
 public:
  virtual ~Journal() = default;
  // Before the call. The fingerprint is that of the database once it has been done.
  virtual void begin(const Operation& operation) = 0;
  virtual void end(const Operation& operation) = 0;  // outcome and text are set
};

// Opens the database anew, as it is left: clean after a close(), else as after a crash.
using Reopen = std::function<Result<std::shared_ptr<engine::DatabaseCore>>(bool clean)>;

// Runs until the end or the first outcome that is unknown. `clock` is read before and after each
// call. The first operation is the database as it was found.
std::vector<Operation> run_workload(const WorkloadSettings& settings,
                                    std::shared_ptr<engine::DatabaseCore>& database,
                                    const Reopen& reopen,
                                    const std::function<std::uint64_t()>& clock,
                                    Journal* journal = nullptr);

}  // namespace springg::crash
