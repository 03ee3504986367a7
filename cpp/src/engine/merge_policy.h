// SPDX-License-Identifier: MIT
// Which segments background work makes one of: size-tiered, over neighbors alone, because the order
// of parts is the order of insertion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace springg::engine {

struct MergeCandidate {
  std::uint64_t rows = 0;  // deleted ones included
  std::uint64_t live_rows = 0;
  bool without_graph = false;  // large enough for one, and it has none
  bool free = false;           // a segment that nobody replaces at the moment
  bool apart = false;          // other rows will come between this and the one before
};

struct MergeRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// More than a fifth of the rows deleted: what is kept on disk stays below 1.25 times what is live.
bool needs_rewriting(const MergeCandidate& part) noexcept;

// The next merge; none when there is nothing to do. The graph of the first of its parts is taken
// over and the rows of the others are inserted (compaction.h), hence a part with those behind it,
// none of which is larger, when these have half of its rows together or it needs rewriting. The
// first such part. Else four neighbors or more of which none has more than half of the rows, of
// several the one with the fewest rows: for parts that lie before larger ones. A row is inserted
// some three times, and taken over five times, until it is in a large segment; a dozen remain.
std::optional<MergeRange> pick_merge(std::span<const MergeCandidate> parts) noexcept;

}  // namespace springg::engine
