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

inline constexpr std::size_t kDimensions = 6;  // of every index

// Several writers can share a database as its owners. An index "w3_NAME" is of owner 3 alone; in
// the others owner o has the ids from o * kIdsOfOwner.
inline constexpr std::uint64_t kIdsOfOwner = 40;
std::string index_name_of(std::uint64_t owner, const std::string& name);
std::optional<std::uint64_t> owner_of_index(const std::string& name);  // none: all of them

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

// What an open database holds, for each of its owners. Read through the public calls; rows, ids,
// look-ups, counts and an exact search must agree with each other, and every row must be of one of
// the owners, else kInternal says what does not.
Result<std::vector<Model>> models_of(engine::DatabaseCore& database, std::size_t owners);
// Of the one owner.
Result<std::uint64_t> fingerprint_of(engine::DatabaseCore& database);

}  // namespace springg::crash
