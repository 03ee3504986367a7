// SPDX-License-Identifier: MIT
// The mutable end of an index: up to kMemtableRowsMax rows in memory that never moves, a hash table
// of their ids, and a graph that follows.
//
// The writer (one at a time) fills rows beyond those that any view shows, then a view makes them
// visible; until then they can be written over. Readers therefore need no lock for rows.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <tsl/robin_map.h>

#include "base/buffer.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "engine/arena.h"
#include "engine/memory_budget.h"
#include "engine/part.h"
#include "engine/vector_codec.h"
#include "springg/options.h"
#include "springg/progress.h"

namespace springg::engine {

class Memtable final : public Part {
 public:
  static Result<std::shared_ptr<Memtable>> create(const IndexOptions& options,
                                                  std::shared_ptr<MemoryBudget> budget);

  ann::Space space() const noexcept override { return space_; }
  IdView id(std::uint32_t row) const noexcept override;
  std::uint64_t sequence(std::uint32_t row) const noexcept override { return sequences()[row]; }
  bool has_metadata(std::uint32_t row) const noexcept override {
    return record(row).has_metadata != 0;
  }
  std::string_view metadata(std::uint32_t row) const noexcept override {
    return {record(row).metadata, record(row).metadata_bytes};
  }
  std::optional<std::uint32_t> find(const IdView& id, std::uint32_t rows) const override;
  std::uint32_t covered() const noexcept override;
  ann::GraphAnswer graph_search(const ann::Query& query,
                                const ann::GraphQuery& request) const override;
  PartBytes bytes() const override;
  Memtable* memtable() noexcept override { return this; }

  // For the writer. Rows committed so far; the next row to write.
  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t room() const noexcept {
    return static_cast<std::uint32_t>(limits::kMemtableRowsMax) - size_;
  }
  // Copies and validates row `call_row` of the call's vectors as row size() + offset.
  Status stage_vector(std::uint32_t offset, const MatrixView& vectors, std::size_t call_row);
  // Same for the rest of a row; `metadata` null for none. The first (offset 0) gives back the
  // memory of rows that were staged before and never committed.
  Status stage_record(std::uint32_t offset, const IdView& id, std::uint64_t sequence,
                      const std::string_view* metadata);
  // The vector as an index of these options stored it before, and its inverse norm (cosine).
  Status stage_stored(std::uint32_t offset, const std::byte* vector, const float* norm);
  // Takes the memory that commit() needs.
  void prepare(std::uint32_t rows);
  // Enters the ids of the staged rows, for which prepare() was called; size() grows by `rows`.
  void commit(std::uint32_t rows) noexcept;
  const float* inverse_norms() const noexcept {  // of all rows; null: not cosine
    return reinterpret_cast<const float*>(norms_.data());
  }

  // For whoever builds the graph; any thread, one works at a time. Covers rows [0, end), which must
  // be visible in some view. See GrowingGraph::extend().
  Status extend_graph(std::uint32_t end, base::Executor& executor, Progress* progress, bool finish);
  // The graph when it covers `rows` rows exactly; else null. No extend_graph() may follow.
  const ann::GrowingGraph* whole_graph(std::uint32_t rows) const noexcept;

 private:
  struct Record {
    union {
      std::uint64_t integer;
      const char* heap;
    } id;
    const char* metadata;
    std::uint32_t metadata_bytes;
    std::uint32_t previous;  // the last row before this whose id has the same hash, or kNoRow
    std::uint16_t id_bytes;
    IdKind id_kind;
    std::uint8_t has_metadata;
  };

  Memtable(const IndexOptions& options, std::shared_ptr<MemoryBudget> budget);
  Status allocate_columns();
  Status allocate_chunk(std::uint32_t row);
  void update_charge();
  const Record& record(std::uint32_t row) const noexcept {
    return reinterpret_cast<const Record*>(records_.data())[row];
  }
  Record& record(std::uint32_t row) noexcept {
    return reinterpret_cast<Record*>(records_.data())[row];
  }
  const std::uint64_t* sequences() const noexcept {
    return reinterpret_cast<const std::uint64_t*>(sequences_.data());
  }

  const IndexOptions options_;
  const VectorCodec codec_;
  ann::Space space_;
  // Written by the writer; a reader looks only at entries of rows that a view showed it.
  std::vector<base::Buffer> vector_chunks_;
  std::vector<const std::byte*> vector_pointers_;
  base::Buffer norms_;  // these three are touched page by page, as rows come
  base::Buffer records_;
  base::Buffer sequences_;
  const std::byte* norm_pointer_ = nullptr;
  Arena ids_;
  Arena metadata_;
  Arena::Position ids_committed_;  // what lies behind is staged
  Arena::Position metadata_committed_;
  std::uint32_t size_ = 0;
  std::atomic<std::uint64_t> vector_memory_{0};
  std::atomic<std::uint64_t> id_memory_{0};
  std::atomic<std::uint64_t> metadata_memory_{0};
  std::atomic<std::uint64_t> other_memory_{0};
  std::atomic<std::uint64_t> graph_memory_{0};

  mutable base::SharedMutex ids_mutex_;
  // Hash of an id -> the newest row with that hash; Record::previous leads to the others.
  tsl::robin_map<std::uint64_t, std::uint32_t> newest_ SPRINGG_GUARDED_BY(ids_mutex_);

  base::Mutex build_mutex_;
  std::unique_ptr<ann::GrowingGraph> graph_owner_ SPRINGG_GUARDED_BY(build_mutex_);
  std::atomic<ann::GrowingGraph*> graph_{nullptr};

  base::Mutex charge_mutex_;
  MemoryCharge charge_ SPRINGG_GUARDED_BY(charge_mutex_);
};

}  // namespace springg::engine
