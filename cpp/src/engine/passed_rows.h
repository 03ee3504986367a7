// SPDX-License-Identifier: MIT
// Lets go of rows that a copy goes through one after another: in pieces, since the system gives
// back and maps again some dozen rows at a time whatever is asked for (docs/adr/0017).
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/part.h"

namespace springg::engine {

class PassedRows {
 public:
  explicit PassedRows(std::size_t row_bytes) : row_bytes_(row_bytes) {}
  ~PassedRows() { let_go(); }
  PassedRows(const PassedRows&) = delete;
  PassedRows& operator=(const PassedRows&) = delete;

  // `part` outlives this.
  void pass(const Part& part, std::uint32_t row) noexcept {
    const bool follows = &part == part_ && row >= last_ && (row - first_) * row_bytes_ < kBytes;
    if (!follows) {
      let_go();
      part_ = &part;
      first_ = row;
    }
    last_ = row + 1;
  }

 private:
  static constexpr std::size_t kBytes = std::size_t{1} << 20;

  void let_go() noexcept {
    if (part_ != nullptr) part_->let_go(first_, last_);
    part_ = nullptr;
  }

  const std::size_t row_bytes_;
  const Part* part_ = nullptr;
  std::uint32_t first_ = 0, last_ = 0;
};

}  // namespace springg::engine
