// SPDX-License-Identifier: MIT
// Calls whose rows go into a file of their own, not through the log. More rows than a memtable
// takes are built into a segment beside the index, which then becomes a part of it; fewer rows with
// much in them are written to a file for the case of a crash, and enter the memtable.
#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/index_impl.h"
#include "engine/poller.h"

namespace springg::engine {

namespace {

constexpr std::size_t kCopyRows = 1024;  // that a thread copies at a time

// Copies and validates the vectors. The error is that of the lowest bad row, whoever found it.
Status copy_vectors(const RowInput& input, const IndexOptions& options,
                    storage::SegmentBuilder& builder, base::Executor& executor,
                    Progress* progress) {
  const VectorCodec codec(options);
  Poller poller(progress, input.rows());
  const std::size_t tasks = (input.rows() + kCopyRows - 1) / kCopyRows;
  std::atomic<std::size_t> bad_task{std::numeric_limits<std::size_t>::max()};
  base::Mutex mutex;
  Status error;
  executor.run(tasks, [&](std::size_t task, unsigned) {
    if (task > bad_task.load(std::memory_order_relaxed) || !poller.advance(0)) return;
    const std::size_t end = std::min(input.rows(), (task + 1) * kCopyRows);
    for (std::size_t i = task * kCopyRows; i < end; ++i) {
      float* norm = builder.inverse_norms() == nullptr ? nullptr : builder.inverse_norms() + i;
      Status status = codec.encode(input.vectors, input.call_row(i),
                                   builder.vectors() + i * codec.stored_bytes(), norm);
      if (status.ok()) continue;
      base::MutexLock lock(mutex);
      if (task < bad_task.load(std::memory_order_relaxed)) {
        bad_task.store(task, std::memory_order_relaxed);
        error = std::move(status);
      }
      return;
    }
  });
  SPRINGG_RETURN_IF_ERROR(poller.status());
  return error;
}

Status set_ids(const RowInput& input, storage::SegmentBuilder& builder) {
  if (!input.picked) return builder.set_ids(*input.ids);
  IdColumn ids;
  for (std::size_t i = 0; i < input.rows(); ++i) ids.append(input.id(i));
  return builder.set_ids(ids);
}

// Metadata of the call, or (update) of the rows that it replaces where the call has none.
Status set_metadata(const RowInput& input, const View* before,
                    const std::vector<std::optional<Location>>& old,
                    storage::SegmentBuilder& builder) {
  MetadataColumn metadata;
  bool any = false;
  for (std::size_t i = 0; i < input.rows(); ++i) {
    std::optional<std::string_view> text = input.metadata_at(i);
    if (before != nullptr && !text.has_value()) {
      text = before->parts[old[i]->part].metadata(old[i]->row);
    }
    any = any || text.has_value();
    text.has_value() ? metadata.append(*text) : metadata.append_none();
  }
  if (before != nullptr) SPRINGG_RETURN_IF_ERROR(check_readable(before->parts));
  return any ? builder.set_metadata(metadata) : Status();
}

// A file that goes unless the log names it.
class FileOfCall {
 public:
  explicit FileOfCall(IndexHome& home) : home_(home) {}
  ~FileOfCall() {
    if (uuid_.has_value()) home_.forget_file(*uuid_);
  }
  FileOfCall(const FileOfCall&) = delete;
  FileOfCall& operator=(const FileOfCall&) = delete;

  // The segment, mapped from its file when there is a directory for it.
  Result<BulkSegment> write(storage::SegmentBuilder& builder, std::uint64_t first_sequence,
                            std::uint32_t rows, const std::shared_ptr<MemoryBudget>& budget) {
    std::iota(builder.sequences(), builder.sequences() + rows, first_sequence);
    SPRINGG_ASSIGN_OR_RETURN(auto segment, builder.finish());
    SPRINGG_ASSIGN_OR_RETURN(auto mapped, home_.write_file(*segment));
    BulkSegment bulk;
    bulk.record.rows = rows;
    bulk.record.first_sequence = first_sequence;
    if (mapped != nullptr) {
      segment = std::move(mapped);
      uuid_ = segment->uuid();
      bulk.record.uuid = *uuid_;
      bulk.record.file_bytes = segment->file_bytes();
    }
    SPRINGG_ASSIGN_OR_RETURN(bulk.part, SegmentPart::open(std::move(segment), budget));
    return bulk;
  }
  void keep(storage::Lsn lsn) noexcept {
    if (uuid_.has_value()) home_.keep_file(*uuid_, lsn);
    uuid_.reset();
  }

 private:
  IndexHome& home_;
  std::optional<base::Uuid> uuid_;
};

}  // namespace

// Sequences are given out here and not when the call began: rows that others stored meanwhile come
// before this segment, so parts stay in the order of their sequences. What comes from here on
// belongs behind it: the memtable before it is sealed.
std::uint64_t IndexImpl::take_sequences(std::size_t rows) {
  active_ = nullptr;
  return std::exchange(next_sequence_, next_sequence_ + rows);
}

// Keeps the place of a segment that is being made, whose sequence has been entered into
// pending_bulks_.
class IndexImpl::PendingBulk {
 public:
  PendingBulk(IndexImpl& index, std::uint64_t sequence) : index_(index), sequence_(sequence) {}
  ~PendingBulk() {
    base::MutexLock lock(index_.write_mutex_);
    std::erase(index_.pending_bulks_, sequence_);
  }
  PendingBulk(const PendingBulk&) = delete;
  PendingBulk& operator=(const PendingBulk&) = delete;

 private:
  IndexImpl& index_;
  const std::uint64_t sequence_;
};

Result<std::size_t> IndexImpl::store_as_segment(const RowInput& input, Mode mode,
                                                Durability durability, Progress* progress) {
  std::vector<std::optional<Location>> old;
  SPRINGG_RETURN_IF_ERROR(find_old_rows(input, mode, *newest(), old));
  const auto rows = static_cast<std::uint32_t>(input.rows());
  SPRINGG_ASSIGN_OR_RETURN(auto builder,
                           storage::SegmentBuilder::create(segment_settings(options_), rows));
  SPRINGG_RETURN_IF_ERROR(copy_vectors(input, options_, *builder, runtime_->pool, progress));
  SPRINGG_RETURN_IF_ERROR(set_ids(input, *builder));
  SPRINGG_RETURN_IF_ERROR(build_graph(*builder, rows, options_, runtime_->pool, progress));
  FileOfCall file(home_);
  Receipt receipt;
  if (mode == Mode::kUpdate) {
    // The metadata that it takes over must not change before the rows are in their place.
    base::MutexLock lock(write_mutex_);
    SPRINGG_RETURN_IF_ERROR(check_writable());
    const std::shared_ptr<const View> before = newest();
    SPRINGG_RETURN_IF_ERROR(find_old_rows(input, mode, *before, old));
    SPRINGG_RETURN_IF_ERROR(set_metadata(input, before.get(), old, *builder));
    SPRINGG_ASSIGN_OR_RETURN(const BulkSegment bulk,
                             file.write(*builder, take_sequences(rows), rows, runtime_->budget));
    SPRINGG_ASSIGN_OR_RETURN(receipt, insert_segment(input, mode, durability, bulk));
    file.keep(receipt.lsn);
  } else {
    SPRINGG_RETURN_IF_ERROR(set_metadata(input, nullptr, old, *builder));
    std::optional<PendingBulk> pending;
    std::uint64_t first_sequence = 0;
    {
      base::MutexLock lock(write_mutex_);
      SPRINGG_RETURN_IF_ERROR(check_writable());
      pending_bulks_.push_back(next_sequence_);
      first_sequence = take_sequences(rows);
      pending.emplace(*this, first_sequence);
    }
    SPRINGG_ASSIGN_OR_RETURN(const BulkSegment bulk,
                             file.write(*builder, first_sequence, rows, runtime_->budget));
    base::MutexLock lock(write_mutex_);
    SPRINGG_RETURN_IF_ERROR(check_writable());
    SPRINGG_ASSIGN_OR_RETURN(receipt, insert_segment(input, mode, durability, bulk));
    file.keep(receipt.lsn);
  }
  SPRINGG_RETURN_IF_ERROR(acknowledge(receipt));
  return input.rows();
}

Result<IndexImpl::Receipt> IndexImpl::insert_segment(const RowInput& input, Mode mode,
                                                     Durability durability,
                                                     const BulkSegment& bulk) {
  const std::shared_ptr<const View> before = newest();
  std::vector<std::optional<Location>> old;
  SPRINGG_RETURN_IF_ERROR(find_old_rows(input, mode, *before, old));
  ViewEditor editor(*before);
  for (const auto& location : old) {
    if (location.has_value()) editor.erase(*location);
  }
  editor.insert(bulk.part, bulk.record.rows);
  SPRINGG_RETURN_IF_ERROR(check_readable(before->parts));  // whose sequences tell the place
  ViewQueue::Node entry = entry_of(editor.finish(
      std::max(before->last_sequence, bulk.record.first_sequence + bulk.record.rows - 1)));
  SPRINGG_ASSIGN_OR_RETURN(
      const Receipt receipt,
      log(storage::WalType::kSegment, storage::encode_segment(bulk.record), durability));
  stage(std::move(entry), receipt.lsn);
  note_change();
  wake_builder();
  return receipt;
}

Result<std::size_t> IndexImpl::store_beside_log(const RowInput& input, Mode mode,
                                                Durability durability, Progress* progress) {
  std::vector<std::optional<Location>> old;
  SPRINGG_RETURN_IF_ERROR(find_old_rows(input, mode, *newest(), old));
  const auto rows = static_cast<std::uint32_t>(input.rows());
  SPRINGG_ASSIGN_OR_RETURN(auto builder,
                           storage::SegmentBuilder::create(segment_settings(options_), rows));
  SPRINGG_RETURN_IF_ERROR(copy_vectors(input, options_, *builder, runtime_->pool, progress));
  SPRINGG_RETURN_IF_ERROR(set_ids(input, *builder));
  SPRINGG_RETURN_IF_ERROR(set_metadata(input, nullptr, old, *builder));
  FileOfCall file(home_);
  // Its rows get their sequences when they enter the memtable; those in the file only ascend.
  SPRINGG_ASSIGN_OR_RETURN(BulkSegment bulk, file.write(*builder, 1, rows, runtime_->budget));
  bulk.record.into_memtable = true;
  builder.reset();
  Receipt receipt;
  {
    base::MutexLock lock(write_mutex_);
    SPRINGG_RETURN_IF_ERROR(check_writable());
    bulk.record.first_sequence = next_sequence_;
    SPRINGG_ASSIGN_OR_RETURN(receipt, insert_from_segment(input, mode, durability, bulk));
    file.keep(receipt.lsn);
  }
  SPRINGG_RETURN_IF_ERROR(acknowledge(receipt));
  return input.rows();
}

Result<IndexImpl::Receipt> IndexImpl::insert_from_segment(const RowInput& input, Mode mode,
                                                          Durability durability,
                                                          const BulkSegment& bulk) {
  const std::uint32_t rows = bulk.record.rows;
  const std::shared_ptr<const View> before = newest();
  std::vector<std::optional<Location>> old;
  SPRINGG_RETURN_IF_ERROR(find_old_rows(input, mode, *before, old));
  SPRINGG_RETURN_IF_ERROR(make_active(rows));
  SPRINGG_RETURN_IF_ERROR(stage_segment_rows(*bulk.part->storage(), next_sequence_));
  return insert_staged(*before, old, rows, storage::WalType::kSegment,
                       storage::encode_segment(bulk.record), durability);
}

}  // namespace springg::engine
