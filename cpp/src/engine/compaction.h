// SPDX-License-Identifier: MIT
// Parts into one segment.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/executor.h"
#include "engine/memory_budget.h"
#include "engine/segment_part.h"
#include "engine/segment_place.h"
#include "engine/view.h"
#include "springg/options.h"
#include "springg/progress.h"
#include "storage/segment.h"

namespace springg::engine {

struct Compacted {
  std::shared_ptr<SegmentPart> part;  // null: no row was live
  // Source rows lie in it one after another, without those that were deleted in the sources, or
  // (kept_deleted) with them.
  bool kept_deleted = false;
  std::shared_ptr<PlacedFile> file;  // of a part that is in one already
};

// The live rows of `sources` in order, with their metadata as it is, and a graph. When the first
// source is a segment with a graph and at least half of its rows are live, that graph is taken
// over, its deleted rows left out, and the rows of the others are inserted (docs/adr/0010). Else (a
// memtable comes first, or most of its rows are deleted) the graph is built from nothing. Stops
// when progress says so.
Result<Compacted> compact(const std::vector<PartView>& sources, const IndexOptions& options,
                          const SegmentPlace& place, base::Executor& executor, Progress* progress);
// One memtable that gets no more rows. Its graph is taken over: with the deleted rows when they are
// few, else without them, and not at all when they are most.
Result<Compacted> compact_memtable(const PartView& source, const IndexOptions& options,
                                   const SegmentPlace& place, base::Executor& executor,
                                   Progress* progress);

// The rows of a segment whose graph is damaged, with a new one, in memory.
Result<std::shared_ptr<SegmentPart>> rebuild_graph(const storage::Segment& damaged,
                                                   const IndexOptions& options,
                                                   std::shared_ptr<MemoryBudget> budget,
                                                   base::Executor& executor);

// The overlay of the compacted part: what changed in the sources between `before`, which was
// compacted, and `now` (same parts; a part that is gone has no live row any more).
std::shared_ptr<const Overlay> carry_over(const std::vector<PartView>& before,
                                          const std::vector<PartView>& now, const Compacted& made);

// Rows of a graph that a new one begins with, as GrowingGraph::adopt() takes them; null for none.
struct AdoptedRows {
  const ann::SealedGraph* graph = nullptr;
  std::span<const std::uint32_t> kept;
};
// Builds a graph over the builder's rows into the builder, begun with the adopted ones; none when
// they are few.
Status build_graph(storage::SegmentBuilder& builder, std::uint32_t rows,
                   const IndexOptions& options, base::Executor& executor, Progress* progress,
                   const AdoptedRows& adopted = {});
ann::Space space_of(const storage::SegmentBuilder& builder, const IndexOptions& options);
storage::SegmentSettings segment_settings(const IndexOptions& options);

}  // namespace springg::engine
