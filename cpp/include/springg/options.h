// SPDX-License-Identifier: MIT
// Settings and limits, each with its unit and range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "springg/types.h"

namespace springg {

// What one row or one call may take, so that no input asks for memory or time without bound. Where
// more than that stands behind a number, it is said beside it.
namespace limits {
inline constexpr std::size_t kDimensionsMax = 65'536;
inline constexpr std::size_t kIdBytesMax = 512;              // hashed through a fixed buffer
inline constexpr std::size_t kMetadataBytesMax = 64 * 1024;  // of JSON text a row
inline constexpr std::size_t kMetadataDepthMax = 64;         // objects in each other: recursion
inline constexpr std::size_t kIndexNameBytesMax = 255;       // a file name's length
inline constexpr std::size_t kMax = 10'000;                  // k of a search
inline constexpr std::size_t kEfMax = 4'096;                 // places of a walk's pool
inline constexpr std::size_t kGraphSearchKMax = 4'096;       // above: exact scan (ef ends here)
inline constexpr std::size_t kRerankMax = 4'096;             // no walk keeps more rows than ef
inline constexpr std::size_t kMMin = 2;   // one link a row makes a chain, no graph
inline constexpr std::size_t kMMax = 64;  // fixed arrays have twice as many places
inline constexpr std::size_t kEfConstructionMin = 4;
inline constexpr std::size_t kEfConstructionMax = 4'096;
inline constexpr std::size_t kMemtableRowsMax = 65'536;      // then it is sealed
inline constexpr std::size_t kUnindexedTailRowsMax = 8'192;  // scanned exactly by each search
inline constexpr std::size_t kSegmentRowsMax = 0x7fff'ffff;  // rows are 31-bit in one part
inline constexpr std::size_t kIndexesMax = 10'000;
}  // namespace limits

struct DatabaseOptions {
  // 0 = as many as the process may use (affinity mask and cgroup quota).
  unsigned threads = 0;
  // Bytes that all indexes together may take of memory; a write that would pass it is refused whole
  // with kResourceExhausted. In memory all counts. In a directory vectors and documents that are in
  // segments do not: when there is no room for all of them, vectors are read from the files as
  // answers need them (docs/adr/0017). None: no limit, and what is read stays mapped.
  std::optional<std::uint64_t> memory_limit_bytes;
  // Of writes that do not say. In memory alone it means nothing.
  Durability durability = Durability::kDisk;
  // Background work writes segments, so that the log can be cut, when the log is longer than this.
  // Opening after a crash reads that much of it, and what came while the segments were written.
  std::uint64_t log_bytes_max = std::uint64_t{256} << 20;

  // Beside a writer in another process, or alone: takes no lock, writes no file, follows what is
  // written within 100 ms or on refresh(). Every change is refused with kFailedPrecondition.
  bool read_only = false;

  bool operator==(const DatabaseOptions&) const = default;
};

struct IndexOptions {
  std::size_t dimensions = 0;  // 1..kDimensionsMax
  Metric metric = Metric::kCosine;
  ScalarType dtype = ScalarType::kFloat32;
  Quantization quantization = Quantization::kAuto;
  // M in the paper (Malkov & Yashunin 2018): links a row on the upper layers; 2M on layer 0.
  std::size_t m = 16;
  // How widely a new row's neighbors are searched for: by a walk two thirds as wide, and among
  // links' links once the graph is complete (docs/adr/0008).
  std::size_t ef_construction = 200;
  // Levels of rows come from hash(seed, row): equal seed and rows give an equal bulk-built graph.
  std::uint64_t seed = 0;

  bool operator==(const IndexOptions&) const = default;
};

// What a search or get brings besides ids and distances.
struct Include {
  bool metadata = true;
  bool vectors = false;
};

// How a search with a filter goes about it. All but kChosen are for measuring the choice.
enum class FilteredWalk : std::uint8_t {
  kChosen,  // by what it costs: rows that match are scanned, or graphs walked
  kTwoHop,  // graphs are walked from matching row to matching row
  kPlain    // graphs are walked as without a filter, and matching rows kept
};

// Restricts a search to some rows. At most one of `mask` and `ids` is set.
struct RowFilter {
  // One byte a row of Index::view() order (0 = excluded); its length must equal the live rows.
  std::optional<std::span<const std::uint8_t>> mask;
  // Rows with one of these ids; unknown ids match nothing. Not owned.
  const IdColumn* ids = nullptr;
  FilteredWalk walk = FilteredWalk::kChosen;

  bool active() const noexcept { return mask.has_value() || ids != nullptr; }
};

struct SearchOptions {
  std::size_t k = 10;               // 1..kMax
  std::optional<std::size_t> ef;    // 1..kEfMax; none: as measured; below k counts as k
  bool exact = false;               // scan every row
  std::optional<double> min_score;  // rows below are left out
  RowFilter filter;
  Include include;
  // 1..kRerankMax. How many rows of those that a walk over codes kept, or a scan of codes among
  // matching rows, are ranked on their vectors in each part, at the least: the best by their codes,
  // never fewer than k, and more as far as the codes' error asks for. None: that alone. Raises
  // recall, for a row's bytes read at random each. Nothing where no codes are used.
  std::optional<std::size_t> rerank;
  unsigned threads = 0;  // 0: the database's
};

// What searches do that name no ef, and how that was chosen (Index::tune()).
struct SearchTuning {
  double recall = 0;              // that was asked for: above 0, at most 1
  std::optional<double> reached;  // and measured; none: some rows were never measured
  std::size_t ef = 0;             // of a search for k
  std::size_t k = 10;
  // That it was measured with, and then ef stands for all rows, scaled for other k. 0: each
  // segment's own calibration is asked for this recall, and `ef` is what came of it.
  std::uint64_t queries = 0;

  bool met() const noexcept { return reached.has_value() && *reached >= recall; }
  bool operator==(const SearchTuning&) const = default;
};

}  // namespace springg
