// SPDX-License-Identifier: MIT
#include "engine/memtable.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/checksum.h"

namespace springg::engine {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;

std::uint32_t chunk_shift(std::size_t stride) noexcept {
  std::uint32_t shift = 0;
  while (shift < 16 && (stride << (shift + 1)) <= kChunkBytes) ++shift;
  return shift;
}

std::uint64_t hash_of(const IdView& id) noexcept {
  // The kind is not mixed in: ids of different kinds with equal bytes are rare, and the chain of
  // equal hashes compares whole ids.
  return base::xxh3(id.bytes);
}

}  // namespace

Memtable::Memtable(const IndexOptions& options, std::shared_ptr<MemoryBudget> budget)
    : options_(options), codec_(options), charge_(std::move(budget)) {
  space_.metric = options.metric;
  space_.dtype = options.dtype;
  space_.dimensions = static_cast<std::uint32_t>(options.dimensions);
}

Result<std::shared_ptr<Memtable>> Memtable::create(const IndexOptions& options,
                                                   std::shared_ptr<MemoryBudget> budget) {
  std::shared_ptr<Memtable> memtable(new Memtable(options, std::move(budget)));
  SPRINGG_RETURN_IF_ERROR(memtable->allocate_columns());
  return memtable;
}

Status Memtable::allocate_columns() {
  const std::size_t stride = codec_.stored_bytes();
  const std::uint32_t shift = chunk_shift(stride);
  const std::size_t chunks = ((limits::kMemtableRowsMax - 1) >> shift) + 1;
  vector_chunks_.resize(chunks);
  vector_pointers_.resize(chunks);
  space_.vectors = {vector_pointers_.data(), shift, stride};
  if (options_.metric == Metric::kCosine) {
    SPRINGG_ASSIGN_OR_RETURN(norms_,
                             base::Buffer::allocate(limits::kMemtableRowsMax * sizeof(float)));
    norm_pointer_ = norms_.data();
    space_.inverse_norms = {&norm_pointer_, 31, sizeof(float)};
  }
  SPRINGG_ASSIGN_OR_RETURN(records_,
                           base::Buffer::allocate(limits::kMemtableRowsMax * sizeof(Record)));
  SPRINGG_ASSIGN_OR_RETURN(
      sequences_, base::Buffer::allocate(limits::kMemtableRowsMax * sizeof(std::uint64_t)));
  return {};
}

Status Memtable::allocate_chunk(std::uint32_t row) {
  const std::uint32_t chunk = row >> space_.vectors.chunk_shift;
  if (vector_pointers_[chunk] != nullptr) return {};
  const std::size_t rows =
      std::min<std::size_t>(std::size_t{1} << space_.vectors.chunk_shift, limits::kMemtableRowsMax);
  SPRINGG_ASSIGN_OR_RETURN(vector_chunks_[chunk],
                           base::Buffer::allocate(rows * space_.vectors.stride));
  vector_pointers_[chunk] = vector_chunks_[chunk].data();
  return {};
}

IdView Memtable::id(std::uint32_t row) const noexcept {
  const Record& stored = record(row);
  if (stored.id_kind == IdKind::kInteger) {
    return {IdKind::kInteger,
            {reinterpret_cast<const char*>(&stored.id.integer), sizeof stored.id.integer}};
  }
  return {stored.id_kind, {stored.id.heap, stored.id_bytes}};
}

std::optional<std::uint32_t> Memtable::find(const IdView& wanted, std::uint32_t rows) const {
  const std::uint64_t hash = hash_of(wanted);
  base::ReaderLock lock(ids_mutex_);
  const auto newest = newest_.find(hash);
  if (newest == newest_.end()) return std::nullopt;
  for (std::uint32_t row = newest->second; row != ann::kNoRow; row = record(row).previous) {
    if (row < rows && id(row) == wanted) return row;
  }
  return std::nullopt;
}

Status Memtable::stage_vector(std::uint32_t offset, const MatrixView& vectors,
                              std::size_t call_row) {
  const std::uint32_t row = size_ + offset;
  SPRINGG_RETURN_IF_ERROR(allocate_chunk(row));
  auto* out = const_cast<std::byte*>(space_.vectors.row(row));
  float* norm = norms_.size() == 0 ? nullptr : reinterpret_cast<float*>(norms_.data()) + row;
  return codec_.encode(vectors, call_row, out, norm);
}

Status Memtable::stage_record(std::uint32_t offset, const IdView& id, std::uint64_t sequence,
                              const std::string_view* metadata) {
  if (offset == 0) {  // what a refused call staged
    ids_.take_back(ids_committed_);
    metadata_.take_back(metadata_committed_);
  }
  const std::uint32_t row = size_ + offset;
  Record staged{};
  staged.id_kind = id.kind;
  staged.id_bytes = static_cast<std::uint16_t>(id.bytes.size());
  if (id.kind == IdKind::kInteger) {
    staged.id.integer = id.integer();
  } else {
    SPRINGG_ASSIGN_OR_RETURN(staged.id.heap, ids_.store(id.bytes));
  }
  staged.metadata = "";
  if (metadata != nullptr) {
    SPRINGG_ASSIGN_OR_RETURN(staged.metadata, metadata_.store(*metadata));
    staged.metadata_bytes = static_cast<std::uint32_t>(metadata->size());
    staged.has_metadata = 1;
  }
  record(row) = staged;
  reinterpret_cast<std::uint64_t*>(sequences_.data())[row] = sequence;
  return {};
}

Status Memtable::stage_stored(std::uint32_t offset, const std::byte* vector, const float* norm) {
  const std::uint32_t row = size_ + offset;
  SPRINGG_RETURN_IF_ERROR(allocate_chunk(row));
  std::memcpy(const_cast<std::byte*>(space_.vectors.row(row)), vector, codec_.stored_bytes());
  if (norms_.size() != 0) reinterpret_cast<float*>(norms_.data())[row] = *norm;
  return {};
}

void Memtable::prepare(std::uint32_t rows) {
  base::WriterLock lock(ids_mutex_);
  if (newest_.load_factor() * static_cast<float>(newest_.bucket_count()) +
          static_cast<float>(rows) >
      newest_.max_load_factor() * static_cast<float>(newest_.bucket_count())) {
    newest_.reserve(std::max<std::size_t>(newest_.size() + rows, newest_.size() * 2));
  }
}

void Memtable::commit(std::uint32_t rows) noexcept {
  std::uint64_t map_bytes = 0;
  {
    base::WriterLock lock(ids_mutex_);
    for (std::uint32_t row = size_; row < size_ + rows; ++row) {
      const auto [entry, fresh] = newest_.try_emplace(hash_of(id(row)), row);
      record(row).previous = fresh ? ann::kNoRow : entry->second;
      entry.value() = row;
    }
    map_bytes = newest_.bucket_count() * (sizeof(std::pair<std::uint64_t, std::uint32_t>) + 8);
  }
  size_ += rows;
  ids_committed_ = ids_.position();
  metadata_committed_ = metadata_.position();
  const std::size_t chunks = (size_ - 1U) / (1U << space_.vectors.chunk_shift) + 1U;
  const std::size_t chunk_rows = std::size_t{1} << space_.vectors.chunk_shift;
  vector_memory_ = std::min(chunks * chunk_rows, limits::kMemtableRowsMax) * space_.vectors.stride;
  id_memory_ = ids_.memory_bytes() + size_ * std::uint64_t{sizeof(Record) / 2} + map_bytes;
  metadata_memory_ = metadata_.memory_bytes() + size_ * std::uint64_t{sizeof(Record) / 2};
  other_memory_ = size_ * std::uint64_t{sizeof(std::uint64_t)} +
                  (norms_.size() == 0 ? 0 : size_ * std::uint64_t{sizeof(float)}) +
                  vector_pointers_.size() * (sizeof(base::Buffer) + sizeof(void*));
  update_charge();
}

void Memtable::update_charge() {
  base::MutexLock lock(charge_mutex_);
  charge_.set(bytes().total());
}

PartBytes Memtable::bytes() const {
  return {vector_memory_, graph_memory_, 0, id_memory_, metadata_memory_, other_memory_};
}

std::uint32_t Memtable::covered() const noexcept {
  const ann::GrowingGraph* graph = graph_.load(std::memory_order_acquire);
  return graph == nullptr ? 0 : graph->covered();
}

ann::GraphAnswer Memtable::graph_search(const ann::Query& query,
                                        const ann::GraphQuery& request) const {
  return graph_.load(std::memory_order_acquire)->search(space_, query, request);
}

Status Memtable::extend_graph(std::uint32_t end, base::Executor& executor, Progress* progress,
                              bool finish) {
  base::MutexLock lock(build_mutex_);
  if (graph_owner_ == nullptr) {
    const ann::GraphOptions settings{
        .m = static_cast<std::uint32_t>(options_.m),
        .ef_construction = static_cast<std::uint32_t>(options_.ef_construction),
        .seed = options_.seed};
    SPRINGG_ASSIGN_OR_RETURN(
        graph_owner_,
        ann::GrowingGraph::create(settings, static_cast<std::uint32_t>(limits::kMemtableRowsMax)));
    graph_.store(graph_owner_.get(), std::memory_order_release);
  }
  if (graph_owner_->covered() >= end && !finish) return {};
  Status status = graph_owner_->extend(space_, end, executor, progress, finish);
  graph_memory_ = graph_owner_->memory_bytes();
  update_charge();
  return status;
}

const ann::GrowingGraph* Memtable::whole_graph(std::uint32_t rows) const noexcept {
  const ann::GrowingGraph* graph = graph_.load(std::memory_order_acquire);
  return graph != nullptr && graph->covered() == rows ? graph : nullptr;
}

}  // namespace springg::engine
