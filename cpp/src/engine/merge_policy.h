// SPDX-License-Identifier: MIT
// Which segments background work makes one of: neighbors alone, because the order of parts is the
// order of insertion (docs/adr/0010).
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
  bool memtable = false;
  bool apart = false;  // other rows will come between this and the one before
};

struct MergeRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// No graph although it is large enough, or more than a fifth of the rows deleted: where no part
// needs rewriting, at most 1.25 times the live rows are kept.
bool needs_rewriting(const MergeCandidate& part) noexcept;

// The live rows outside the largest segment and the deleted ones are together more than a tenth of
// the live rows: a search walks several graphs, one without codes, or past rows that are gone.
// Never of fewer live rows than `rows_min`, which are scanned soon enough.
bool is_spread(std::span<const MergeCandidate> parts, std::uint64_t rows_min) noexcept;

// The next merge of an index that changes; none when there is nothing to do.
// 1. The first part that needs rewriting, or behind which parts no larger than itself have half of
//    its rows together: it and those parts. Its graph is taken over and their rows are inserted
//    (compaction.h), so the largest should come first.
// 2. Else, for parts before larger ones: four neighbors or more of which none has more than half of
//    the rows; of several ranges that with the fewest rows.
// A row is inserted at most some 4 times and taken over 6 times, and at most 15 segments remain
// (merge_policy_test.cpp).
std::optional<MergeRange> pick_merge(std::span<const MergeCandidate> parts) noexcept;

// The next merge of a spread index that nobody changes (docs/adr/0018): the first parts that may
// become one. None before all of them are free, so that no segment is merged twice for it.
std::optional<MergeRange> pick_merge_at_rest(std::span<const MergeCandidate> parts,
                                             std::uint64_t rows_min) noexcept;

}  // namespace springg::engine
