// SPDX-License-Identifier: MIT
// A part of an index: rows that stay where they are, in a segment or in a memtable. Which of them
// are visible and which are deleted is not the part's business but the view's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "ann/hnsw.h"
#include "ann/space.h"
#include "springg/types.h"

namespace springg::engine {

// Below this a graph is not worth its memory: scanning is as fast.
inline constexpr std::uint32_t kGraphRowsMin = 256;

// A memtable's graph is worth extending once so many rows are outside; fewer are scanned faster.
inline constexpr std::uint32_t kTailRowsMin = 256;

struct PartBytes {
  std::uint64_t vectors = 0, graph = 0, codes = 0, ids = 0, metadata = 0, other = 0;
  std::uint64_t total() const noexcept { return vectors + graph + codes + ids + metadata + other; }
};

class Memtable;
class SegmentPart;

// Any thread may read rows that a view made known to it.
class Part {
 public:
  virtual ~Part() = default;

  virtual ann::Space space() const noexcept = 0;
  virtual IdView id(std::uint32_t row) const noexcept = 0;
  virtual std::uint64_t sequence(std::uint32_t row) const noexcept = 0;
  virtual bool has_metadata(std::uint32_t row) const noexcept = 0;
  virtual std::string_view metadata(std::uint32_t row) const noexcept = 0;
  // The newest row below `rows` that was stored with this id. Older ones are always deleted.
  virtual std::optional<std::uint32_t> find(const IdView& id, std::uint32_t rows) const = 0;
  // Rows [0, covered()) are in the graph. Acquire: read it before graph_search().
  virtual std::uint32_t covered() const noexcept = 0;
  virtual ann::GraphAnswer graph_search(const ann::Query& query,
                                        const ann::GraphQuery& request) const = 0;
  // The ef that was measured to give the k nearest with this recall; 0: it was not measured.
  virtual std::size_t ef_for(float /*recall*/, std::size_t /*k*/) const noexcept { return 0; }
  // What the ef for 10 of them was measured to have; 0: it was not.
  virtual float measured_recall(float /*recall*/) const noexcept { return 0; }
  // What its graph is walked on; none: its vectors.
  virtual std::optional<quant::CodeKind> code_kind() const noexcept { return std::nullopt; }
  // The k nearest of the rows of `wanted` in [begin, end), each of them measured: on codes where
  // the part has some and the rows are many, then at least `rerank` on their vectors. Vectors that
  // are measured are compared first.
  virtual ann::GraphAnswer scan_matching(const ann::Query& query, const base::RowMask& wanted,
                                         std::uint32_t begin, std::uint32_t end, std::size_t k,
                                         std::size_t rerank) const;
  // What a walk, and scan_matching(), read of a row.
  virtual std::size_t walked_row_bytes() const noexcept { return space().vectors.stride; }
  virtual PartBytes bytes() const = 0;
  // As storage::Segment has them: before vectors are believed, and that they can be already.
  virtual void compare_vectors(std::uint32_t /*first*/, std::uint32_t /*last*/) const noexcept {}
  virtual bool compared() const noexcept { return true; }
  // After rows [first, last) were read through space(): of a file whose vectors stay on the disk
  // their pages leave memory.
  virtual void let_go(std::uint32_t /*first*/, std::uint32_t /*last*/) const noexcept {}
  // As compare_vectors() for those of `wanted` in [begin, end).
  void compare_matching(const base::RowMask& wanted, std::uint32_t begin, std::uint32_t end) const;

  virtual Memtable* memtable() noexcept { return nullptr; }
  virtual const SegmentPart* segment() const noexcept { return nullptr; }
};

}  // namespace springg::engine
