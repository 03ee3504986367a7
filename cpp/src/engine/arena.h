// SPDX-License-Identifier: MIT
// Bytes that are written once and never move, for ids and metadata of a memtable. Blocks double in
// size, so that a small index takes little.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "springg/status.h"

namespace springg::engine {

// One thread writes; what store() returned may be read by any thread that learnt of it later.
class Arena {
 public:
  Result<const char*> store(std::string_view bytes);
  std::size_t memory_bytes() const noexcept { return memory_bytes_; }

  struct Position {
    std::size_t blocks = 0;
    std::size_t used = 0;  // of the last of them
  };
  Position position() const noexcept { return {blocks_.size(), used_}; }
  // Gives back what was stored since. Nobody may have learnt of it.
  void take_back(const Position& position) noexcept;

 private:
  std::vector<base::Buffer> blocks_;
  std::size_t used_ = 0;  // of the last block
  std::size_t memory_bytes_ = 0;
};

}  // namespace springg::engine
