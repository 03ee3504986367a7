// SPDX-License-Identifier: MIT
// What a database must hold, kept by the test and not by springg: a plain map, and after each
// operation a fingerprint of it that does not depend on the order of rows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/database_core.h"
#include "springg/status.h"

namespace springg::crash {

struct Row {
  std::vector<float> vector;
  std::optional<std::string> metadata;  // compact JSON
};

class Model {
 public:
  using Rows = std::map<std::uint64_t, Row>;

  std::map<std::string, Rows>& indexes() noexcept { return indexes_; }
  const std::map<std::string, Rows>& indexes() const noexcept { return indexes_; }
  std::uint64_t fingerprint() const;

 private:
  std::map<std::string, Rows> indexes_;
};

// The same of an open database: every row of every index, through the public calls. Rows, ids,
// look-ups and counts must agree with each other, else kInternal says what does not.
Result<std::uint64_t> fingerprint_of(engine::DatabaseCore& database);

}  // namespace springg::crash
