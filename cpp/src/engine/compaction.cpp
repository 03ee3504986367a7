// SPDX-License-Identifier: MIT
#include "engine/compaction.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/memtable.h"
#include "engine/passed_rows.h"
#include "engine/poller.h"
#include "engine/segment_codes.h"

namespace springg::engine {

namespace {

// Rows that a thread copies at a time.
constexpr std::size_t kCopyRows = 4096;
// A memtable's graph is taken over with the deleted rows in it when they are at most this part of
// all rows: leaving them out costs new links for their neighbors, keeping one costs memory until
// the segment is merged.
constexpr std::uint32_t kKeptDeletedPart = 8;
// Rows that a memtable's graph takes in before others who wait to extend it get their turn.
constexpr std::uint32_t kStepRows = 2048;

void copy_rows(storage::SegmentBuilder& builder, const std::vector<PartView>& sources,
               const std::vector<Location>& rows, base::Executor& executor, Poller& poller) {
  const std::size_t tasks = (rows.size() + kCopyRows - 1) / kCopyRows;
  executor.run(tasks, [&](std::size_t task, unsigned) {
    if (!poller.advance(0)) return;
    const std::size_t end = std::min(rows.size(), (task + 1) * kCopyRows);
    const std::size_t bytes = builder.vector_table().stride;
    PassedRows passed(bytes);
    for (std::size_t to = task * kCopyRows; to < end; ++to) {
      const Part& part = *sources[rows[to].part].part;
      const std::uint32_t row = rows[to].row;
      const ann::Space space = part.space();
      part.compare_vectors(row, row + 1);
      std::memcpy(builder.vectors() + to * bytes, space.vectors.row(row), bytes);
      if (builder.inverse_norms() != nullptr) {
        std::memcpy(builder.inverse_norms() + to, space.inverse_norms.row(row), sizeof(float));
      }
      builder.sequences()[to] = part.sequence(row);
      passed.pass(part, row);
    }
  });
}

// Ids must be distinct in a segment, but a row that is kept although it is deleted may have an id
// that a later row has again: it gets a number that no row has.
class StandInIds {
 public:
  explicit StandInIds(const PartView& source) : source_(source) {
    const base::Uuid random = base::Uuid::random();
    std::memcpy(&next_, random.bytes.data(), sizeof next_);
  }
  void append(std::uint32_t row, IdColumn& ids) {
    const IdView id = source_.part->id(row);
    if (source_.part->find(id, source_.rows) == row) {
      ids.append(id);
      return;
    }
    while (taken(next_)) ++next_;
    ids.append_integer(next_++);
  }

 private:
  bool taken(std::uint64_t number) const {
    const IdView id{IdKind::kInteger, {reinterpret_cast<const char*>(&number), sizeof number}};
    return source_.part->find(id, source_.rows).has_value();
  }
  const PartView& source_;
  std::uint64_t next_ = 0;
};

Status copy_records(storage::SegmentBuilder& builder, const std::vector<PartView>& sources,
                    const std::vector<Location>& rows, bool with_deleted) {
  IdColumn ids;
  MetadataColumn metadata;
  bool any = false;
  StandInIds stand_ins(sources.front());
  for (const Location& from : rows) {
    const PartView& source = sources[from.part];
    if (with_deleted) {
      stand_ins.append(from.row, ids);
    } else {
      ids.append(source.part->id(from.row));
    }
    const auto text = source.metadata(from.row);
    any = any || text.has_value();
    text.has_value() ? metadata.append(*text) : metadata.append_none();
  }
  SPRINGG_RETURN_IF_ERROR(builder.set_ids(ids));
  return any ? builder.set_metadata(metadata) : Status();
}

std::vector<Location> rows_to_keep(const std::vector<PartView>& sources, bool with_deleted) {
  std::vector<Location> rows;
  for (std::uint32_t number = 0; number < sources.size(); ++number) {
    const base::RowBits deleted = sources[number].deleted();
    for (std::uint32_t row = 0; row < sources[number].rows; ++row) {
      if (with_deleted || !deleted.test(row)) rows.push_back({number, row});
    }
  }
  return rows;
}

Status take_graph(const ann::GrowingGraph& graph, storage::SegmentBuilder& builder,
                  std::uint32_t rows, const IndexOptions& options, base::Executor& executor,
                  Progress* progress) {
  SPRINGG_ASSIGN_OR_RETURN(const std::span<std::byte> image,
                           builder.allocate_graph(graph.image_bytes()));
  graph.write_image(image);
  return prepare_search(builder, space_of(builder, options), image, rows, options, executor,
                        progress);
}

// Where the links of a new graph come from; all null: it is built from nothing.
struct GraphSource {
  const ann::GrowingGraph* whole = nullptr;  // of the one source with all its rows: taken as it is
  const ann::SealedGraph* ancestor = nullptr;  // of the first source: its live rows are taken over
};

// A graph of which more has gone than is left is no good start.
bool worth_adopting(const PartView& part) {
  return part.rows >= kGraphRowsMin && part.live_rows() >= part.rows / 2;
}

GraphSource graph_to_adopt(const std::vector<PartView>& sources) {
  const SegmentPart* segment = sources.front().part->segment();
  if (segment == nullptr || segment->graph().empty() || !worth_adopting(sources.front())) return {};
  return {.ancestor = &segment->graph()};
}

Status make_graph(storage::SegmentBuilder& builder, const GraphSource& source,
                  const std::vector<Location>& rows, const IndexOptions& options,
                  base::Executor& executor, Progress* progress) {
  if (source.whole != nullptr) {
    return take_graph(*source.whole, builder, static_cast<std::uint32_t>(rows.size()), options,
                      executor, progress);
  }
  std::vector<std::uint32_t> kept;
  if (source.ancestor != nullptr) {
    for (const Location& from : rows) {
      if (from.part == 0) kept.push_back(from.row);
    }
  }
  return build_graph(builder, static_cast<std::uint32_t>(rows.size()), options, executor, progress,
                     {source.ancestor, kept});
}

Result<std::unique_ptr<storage::SegmentBuilder>> make_builder(const IndexOptions& options,
                                                              std::uint32_t rows,
                                                              const SegmentPlace& place) {
  const storage::SegmentSettings settings = segment_settings(options);
  std::unique_ptr<io::ScratchMemory> scratch;
  if (place.home != nullptr) {
    scratch = place.home->make_scratch(std::uint64_t{rows} *
                                       vector_bytes(options.dtype, options.dimensions));
  }
  return storage::SegmentBuilder::create(settings, rows, std::move(scratch));
}

Status move_to_file(SegmentHome& home, std::shared_ptr<const storage::Segment>& segment,
                    Compacted& made) {
  SPRINGG_ASSIGN_OR_RETURN(auto mapped, home.write_file(*segment));
  if (mapped == nullptr) return {};
  made.file = std::make_shared<PlacedFile>(home, mapped->uuid());
  segment = std::move(mapped);
  return {};
}

Result<Compacted> build(const std::vector<PartView>& sources, const GraphSource& graph,
                        const IndexOptions& options, const SegmentPlace& place,
                        base::Executor& executor, Progress* progress) {
  Compacted made;
  made.kept_deleted = graph.whole != nullptr;
  const std::vector<Location> rows = rows_to_keep(sources, made.kept_deleted);
  if (rows.empty()) return made;
  if (rows.size() > limits::kSegmentRowsMax) {
    return resource_exhausted("expected at most " + std::to_string(limits::kSegmentRowsMax) +
                              " rows in one segment, got " + std::to_string(rows.size()));
  }
  const auto count = static_cast<std::uint32_t>(rows.size());
  SPRINGG_ASSIGN_OR_RETURN(auto builder, make_builder(options, count, place));
  Poller poller(progress, count);
  copy_rows(*builder, sources, rows, executor, poller);
  SPRINGG_RETURN_IF_ERROR(poller.status());
  // What cannot be read any more was copied as zeros, what is damaged as it is: that is no data.
  Status copied = copy_records(*builder, sources, rows, made.kept_deleted);
  SPRINGG_RETURN_IF_ERROR(check_readable(sources));
  SPRINGG_RETURN_IF_ERROR(copied);
  Status linked = make_graph(*builder, graph, rows, options, executor, progress);
  SPRINGG_RETURN_IF_ERROR(check_readable(sources));  // a graph that was taken over is mapped too
  SPRINGG_RETURN_IF_ERROR(linked);
  SPRINGG_ASSIGN_OR_RETURN(auto segment, builder->finish());
  SPRINGG_RETURN_IF_ERROR(segment->check_readable());
  if (place.home != nullptr) SPRINGG_RETURN_IF_ERROR(move_to_file(*place.home, segment, made));
  SPRINGG_ASSIGN_OR_RETURN(made.part, SegmentPart::open(std::move(segment), place.budget));
  return made;
}

// In steps: a writer that came upon a long tail of this memtable, when that was the active one,
// helps with it, and must not wait until all of it is in.
Status complete_graph(Memtable& memtable, std::uint32_t rows, base::Executor& executor,
                      Progress* progress) {
  Poller poller(progress, rows);
  while (memtable.covered() < rows) {
    const std::uint32_t end = std::min(rows, memtable.covered() + kStepRows);
    SPRINGG_RETURN_IF_ERROR(memtable.extend_graph(end, executor, progress, false));
    if (!poller.advance(0)) return poller.status();
  }
  return {};
}

// Memory of a sealed graph that belongs to no segment.
struct LooseGraph {
  base::Buffer image;
  ann::SealedGraph graph;
};

Result<LooseGraph> seal(const ann::GrowingGraph& growing) {
  LooseGraph loose;
  SPRINGG_ASSIGN_OR_RETURN(loose.image, base::Buffer::allocate(growing.image_bytes()));
  const std::span<std::byte> image{loose.image.data(), loose.image.size()};
  growing.write_image(image);
  SPRINGG_ASSIGN_OR_RETURN(loose.graph, ann::SealedGraph::open(image, growing.covered()));
  return loose;
}

// Rows of one source that changed between two of its versions, into the compacted part's overlay.
void carry_part(const PartView& before, const PartView* now, std::uint32_t& next,
                OverlayEditor& editor) {
  if (now != nullptr && now->overlay == before.overlay) {
    next += before.live_rows();
    return;
  }
  const base::RowBits gone_before = before.deleted();
  const base::RowBits gone_now = now == nullptr ? base::RowBits{} : now->deleted();
  for (std::uint32_t row = 0; row < before.rows; ++row) {
    if (gone_before.test(row)) continue;
    if (now == nullptr || gone_now.test(row)) {
      editor.erase(next);
    } else if (now->overlay->has_patches()) {
      const MetadataPatch* old_patch =
          before.overlay == nullptr ? nullptr : before.overlay->patch(row);
      const MetadataPatch* new_patch = now->overlay->patch(row);
      if (new_patch != nullptr && (old_patch == nullptr || old_patch->text != new_patch->text)) {
        editor.patch(next, new_patch->text);
      }
    }
    ++next;
  }
}

}  // namespace

storage::SegmentSettings segment_settings(const IndexOptions& options) {
  return {static_cast<std::uint32_t>(options.dimensions), options.metric, options.dtype};
}

ann::Space space_of(const storage::SegmentBuilder& builder, const IndexOptions& options) {
  ann::Space space;
  space.metric = options.metric;
  space.dtype = options.dtype;
  space.dimensions = static_cast<std::uint32_t>(options.dimensions);
  space.vectors = builder.vector_table();
  space.inverse_norms = builder.inverse_norm_table();
  return space;
}

Status build_graph(storage::SegmentBuilder& builder, std::uint32_t rows,
                   const IndexOptions& options, base::Executor& executor, Progress* progress,
                   const AdoptedRows& adopted) {
  if (rows < kGraphRowsMin) return {};
  const ann::GraphOptions settings{
      .m = static_cast<std::uint32_t>(options.m),
      .ef_construction = static_cast<std::uint32_t>(options.ef_construction),
      .seed = options.seed};
  SPRINGG_ASSIGN_OR_RETURN(auto graph, ann::GrowingGraph::create(settings, rows));
  const ann::Space space = space_of(builder, options);
  if (adopted.graph != nullptr) {
    SPRINGG_ASSIGN_OR_RETURN(const bool whole,
                             graph->adopt(*adopted.graph, adopted.kept, space, executor, progress));
    if (!whole) {
      SPRINGG_ASSIGN_OR_RETURN(graph, ann::GrowingGraph::create(settings, rows));
    }
  }
  {
    base::Buffer buffer;  // given back before the segment's own codes are made
    SPRINGG_ASSIGN_OR_RETURN(const std::optional<quant::Codes> codes,
                             codes_to_build_on(space, rows, executor, progress, buffer));
    SPRINGG_RETURN_IF_ERROR(graph->extend(space, rows, executor, progress, true,
                                          codes.has_value() ? &*codes : nullptr));
  }
  return take_graph(*graph, builder, rows, options, executor, progress);
}

Result<Compacted> compact(const std::vector<PartView>& sources, const IndexOptions& options,
                          const SegmentPlace& place, base::Executor& executor, Progress* progress) {
  return build(sources, graph_to_adopt(sources), options, place, executor, progress);
}

Result<Compacted> compact_memtable(const PartView& source, const IndexOptions& options,
                                   const SegmentPlace& place, base::Executor& executor,
                                   Progress* progress) {
  GraphSource from;
  LooseGraph loose;
  if (worth_adopting(source)) {
    Memtable& memtable = *source.part->memtable();
    SPRINGG_RETURN_IF_ERROR(complete_graph(memtable, source.rows, executor, progress));
    const std::uint32_t deleted = source.rows - source.live_rows();
    if (deleted * kKeptDeletedPart <= source.rows) {
      SPRINGG_RETURN_IF_ERROR(memtable.extend_graph(source.rows, executor, progress, true));
      from.whole = memtable.whole_graph(source.rows);
    } else if (const ann::GrowingGraph* whole = memtable.whole_graph(source.rows)) {
      SPRINGG_ASSIGN_OR_RETURN(loose, seal(*whole));
      from.ancestor = &loose.graph;
    }
  }
  return build({source}, from, options, place, executor, progress);
}

Result<std::shared_ptr<SegmentPart>> rebuild_graph(const storage::Segment& damaged,
                                                   const IndexOptions& options,
                                                   std::shared_ptr<MemoryBudget> budget,
                                                   base::Executor& executor) {
  const std::uint32_t rows = damaged.rows();
  damaged.compare_vectors(0, rows);
  SPRINGG_ASSIGN_OR_RETURN(auto builder, storage::SegmentBuilder::create(damaged.settings(), rows));
  IdColumn ids;
  MetadataColumn metadata;
  const std::size_t bytes = builder->vector_table().stride;
  for (std::uint32_t row = 0; row < rows; ++row) {
    std::memcpy(builder->vectors() + row * bytes, damaged.vectors().row(row), bytes);
    if (builder->inverse_norms() != nullptr) {
      std::memcpy(builder->inverse_norms() + row, damaged.inverse_norms().row(row), sizeof(float));
    }
    builder->sequences()[row] = damaged.sequences()[row];
    ids.append(damaged.id(row));
    damaged.has_metadata(row) ? metadata.append(damaged.metadata(row)) : metadata.append_none();
  }
  SPRINGG_RETURN_IF_ERROR(damaged.check_readable());
  SPRINGG_RETURN_IF_ERROR(builder->set_ids(ids));
  SPRINGG_RETURN_IF_ERROR(builder->set_metadata(metadata));
  SPRINGG_RETURN_IF_ERROR(build_graph(*builder, rows, options, executor, nullptr));
  SPRINGG_ASSIGN_OR_RETURN(auto segment, builder->finish());
  return SegmentPart::open(std::move(segment), std::move(budget));
}

std::shared_ptr<const Overlay> carry_over(const std::vector<PartView>& before,
                                          const std::vector<PartView>& now, const Compacted& made) {
  const auto find = [&](const std::shared_ptr<Part>& part) -> const PartView* {
    for (const PartView& candidate : now) {
      if (candidate.part == part) return &candidate;
    }
    return nullptr;
  };
  if (made.kept_deleted) return find(before.front().part)->overlay;
  OverlayEditor editor(nullptr);
  std::uint32_t next = 0;
  for (const PartView& source : before) carry_part(source, find(source.part), next, editor);
  std::shared_ptr<const Overlay> overlay = editor.finish();
  return overlay->deleted_rows() == 0 && !overlay->has_patches() ? nullptr : overlay;
}

}  // namespace springg::engine
