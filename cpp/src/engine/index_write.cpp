// SPDX-License-Identifier: MIT
// Writes that fit into the memtable, updates of metadata, and deletes.
#include <chrono>
#include <thread>
#include <utility>

#include "engine/index_impl.h"
#include "engine/poller.h"

namespace springg::engine {

namespace {
// Parts of the memory limit that rows may take that are in no segment yet: a flush is worth it from
// the one on, and is due at the other.
constexpr std::uint64_t kLooseMin = 16;
constexpr std::uint64_t kLooseMax = 4;
constexpr std::chrono::milliseconds kMemoryWait{10};
constexpr int kMemoryWaits = 100;
}  // namespace

Result<std::size_t> IndexImpl::add(const IdColumn& ids, const MatrixView& vectors,
                                   const MetadataColumn* metadata, Progress* progress,
                                   std::optional<Durability> durability) {
  return locking_call(*runtime_, [&]() -> Result<std::size_t> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    SPRINGG_ASSIGN_OR_RETURN(const RowInput input, prepare_rows(options_, ids, &vectors, metadata));
    SPRINGG_RETURN_IF_ERROR(refuse_repeats(input));
    return store(input, Mode::kAdd, level(durability), progress);
  });
}

Result<std::size_t> IndexImpl::upsert(const IdColumn& ids, const MatrixView& vectors,
                                      const MetadataColumn* metadata, Progress* progress,
                                      std::optional<Durability> durability) {
  return locking_call(*runtime_, [&]() -> Result<std::size_t> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    SPRINGG_ASSIGN_OR_RETURN(RowInput input, prepare_rows(options_, ids, &vectors, metadata));
    keep_last_of_equal_ids(input);
    SPRINGG_RETURN_IF_ERROR(check_rows_left_out(options_, input));
    return store(input, Mode::kUpsert, level(durability), progress);
  });
}

Result<std::size_t> IndexImpl::update(const IdColumn& ids, const MatrixView* vectors,
                                      const MetadataColumn* metadata, Progress* progress,
                                      std::optional<Durability> durability) {
  return locking_call(*runtime_, [&]() -> Result<std::size_t> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    SPRINGG_ASSIGN_OR_RETURN(RowInput input, prepare_rows(options_, ids, vectors, metadata));
    keep_last_of_equal_ids(input);
    SPRINGG_RETURN_IF_ERROR(check_rows_left_out(options_, input));
    return vectors == nullptr ? patch_metadata(input, level(durability))
                              : store(input, Mode::kUpdate, level(durability), progress);
  });
}

Result<std::size_t> IndexImpl::store(const RowInput& input, Mode mode, Durability durability,
                                     Progress* progress) {
  if (input.rows() == 0) return std::size_t{0};
  SPRINGG_RETURN_IF_ERROR(home_.make_log_room(progress));
  SPRINGG_ASSIGN_OR_RETURN(const MemoryReservation reserved,
                           reserve_memory(estimated_bytes(options_, input), progress));
  const Tuning& tuning = runtime_->tuning;
  if (input.rows() > tuning.memtable_call_rows_max) {
    return store_as_segment(input, mode, durability, progress);
  }
  SPRINGG_RETURN_IF_ERROR(make_room(input.rows(), progress));
  const std::size_t bytes = input.rows() * vector_bytes(options_.dtype, options_.dimensions);
  // An update takes over metadata that may change until the last moment: its file would be late.
  if (runtime_->log != nullptr && bytes > tuning.logged_vector_bytes_max && mode != Mode::kUpdate) {
    return store_beside_log(input, mode, durability, progress);
  }
  return store_in_memtable(input, mode, durability, progress);
}

// Rows that memory alone holds are made into segments, whose vectors stay in their files, before
// they take much of the limit: making a segment takes as much again for a time.
Result<MemoryReservation> IndexImpl::reserve_memory(std::uint64_t bytes, Progress* progress) {
  MemoryBudget& budget = *runtime_->budget;
  if (budget.limit().has_value() && runtime_->log != nullptr) {
    const std::uint64_t limit = *budget.limit();
    const std::uint64_t settled = budget.settled();
    const std::uint64_t loose = budget.loose();
    const bool much = loose > limit / kLooseMin && loose + bytes > limit / kLooseMax;
    const bool full = loose != 0 && budget.used() + bytes > limit;
    // Else it is refused in any case.
    const bool fits = bytes <= limit && settled <= limit - bytes;
    if (fits && (much || full)) SPRINGG_RETURN_IF_ERROR(home_.make_memory_room(progress));
    if (fits) SPRINGG_RETURN_IF_ERROR(wait_for_memory(bytes, progress));
  }
  return MemoryReservation::make(runtime_->budget, bytes);
}

// What a flush or a merge has replaced goes with the last search, or step of the background, that
// reads it.
Status IndexImpl::wait_for_memory(std::uint64_t bytes, Progress* progress) const {
  const MemoryBudget& budget = *runtime_->budget;
  Poller poller(progress, 0);
  for (int i = 0; i < kMemoryWaits && budget.used() + bytes > *budget.limit(); ++i) {
    if (!poller.advance(0)) return poller.status();
    std::this_thread::sleep_for(kMemoryWait);
  }
  return {};
}

SegmentPlace IndexImpl::place() {
  const bool in_file = runtime_->budget->limit().has_value() && runtime_->log != nullptr;
  return {runtime_->budget, in_file ? &home_ : nullptr};
}

Status IndexImpl::find_old_rows(const RowInput& input, Mode mode, const View& view,
                                std::vector<std::optional<Location>>& old) const {
  old.resize(input.rows());
  for (std::size_t i = 0; i < input.rows(); ++i) {
    const IdView id = input.id(i);
    old[i] = view.find(id);
    const auto row = static_cast<std::int64_t>(input.call_row(i));
    if (mode == Mode::kAdd && old[i].has_value()) {
      SPRINGG_RETURN_IF_ERROR(check_readable(view.parts));
      return already_exists("id " + describe(id) + " already exists in index '" + name() + "'")
          .with("id", plain_text(id))
          .with("row", row);
    }
    if (mode == Mode::kUpdate && !old[i].has_value()) {
      SPRINGG_RETURN_IF_ERROR(check_readable(view.parts));
      return not_found("no id " + describe(id) + " in index '" + name() + "'")
          .with("id", plain_text(id))
          .with("row", row);
    }
  }
  // An old row that was not found would be there twice.
  return check_readable(view.parts);
}

Status IndexImpl::make_active(std::size_t rows) {
  // A memtable without room is sealed by no longer being the active one.
  if (active_ != nullptr && active_->room() < rows) active_ = nullptr;
  if (active_ != nullptr) return {};
  SPRINGG_ASSIGN_OR_RETURN(active_, Memtable::create(options_, runtime_->budget));
  return {};
}

storage::Payload IndexImpl::staged_rows(std::uint32_t rows) {
  const Memtable& memtable = *active_;
  const std::uint32_t first = memtable.size();
  const float* norms = memtable.inverse_norms();
  return storage::encode_rows(
      {.rows = rows,
       .first_sequence = next_sequence_,
       .vector_bytes = vector_bytes(options_.dtype, options_.dimensions),
       .inverse_norms = norms == nullptr ? nullptr : norms + first,
       .id = [&](std::uint32_t i) { return memtable.id(first + i); },
       .vector = [&](std::uint32_t i) { return memtable.space().vectors.row(first + i); },
       .metadata = [&](std::uint32_t i) -> std::optional<std::string_view> {
         if (!memtable.has_metadata(first + i)) return std::nullopt;
         return memtable.metadata(first + i);
       }});
}

Result<IndexImpl::Receipt> IndexImpl::insert_staged(const View& before,
                                                    const std::vector<std::optional<Location>>& old,
                                                    std::uint32_t rows, storage::WalType type,
                                                    const storage::Payload& payload,
                                                    Durability durability) {
  ViewEditor editor(before);
  for (const auto& location : old) {
    if (location.has_value()) editor.erase(*location);
  }
  editor.show(active_, active_->size() + rows);
  ViewQueue::Node entry = entry_of(editor.finish(next_sequence_ + rows - 1));
  active_->prepare(rows);
  SPRINGG_ASSIGN_OR_RETURN(const Receipt receipt, log(type, payload, durability));
  active_->commit(rows);
  next_sequence_ += rows;
  stage(std::move(entry), receipt.lsn);
  note_change();
  wake_builder();
  return receipt;
}

Result<std::size_t> IndexImpl::store_in_memtable(const RowInput& input, Mode mode,
                                                 Durability durability, Progress* progress) {
  const auto rows = static_cast<std::uint32_t>(input.rows());
  Receipt receipt;
  {
    base::MutexLock lock(write_mutex_);
    SPRINGG_RETURN_IF_ERROR(check_writable());
    const std::shared_ptr<const View> before = newest();
    std::vector<std::optional<Location>> old;
    SPRINGG_RETURN_IF_ERROR(find_old_rows(input, mode, *before, old));
    SPRINGG_RETURN_IF_ERROR(make_active(rows));
    SPRINGG_RETURN_IF_ERROR(stage_rows(input, mode, *before, old, progress));
    storage::Payload payload;
    if (runtime_->log != nullptr) payload = staged_rows(rows);
    SPRINGG_ASSIGN_OR_RETURN(
        receipt, insert_staged(*before, old, rows, storage::WalType::kRows, payload, durability));
  }
  SPRINGG_RETURN_IF_ERROR(acknowledge(receipt));
  return input.rows();
}

Status IndexImpl::stage_rows(const RowInput& input, Mode mode, const View& view,
                             const std::vector<std::optional<Location>>& old, Progress* progress) {
  Poller poller(progress, input.rows());
  const auto rows = static_cast<std::uint32_t>(input.rows());
  for (std::uint32_t i = 0; i < rows; ++i) {
    SPRINGG_RETURN_IF_ERROR(active_->stage_vector(i, input.vectors, input.call_row(i)));
    if (!poller.advance(1)) return poller.status();
  }
  for (std::uint32_t i = 0; i < rows; ++i) {
    std::optional<std::string_view> metadata = input.metadata_at(i);
    if (mode == Mode::kUpdate && !metadata.has_value()) {
      metadata = view.parts[old[i]->part].metadata(old[i]->row);
    }
    SPRINGG_RETURN_IF_ERROR(active_->stage_record(i, input.id(i), next_sequence_ + i,
                                                  metadata.has_value() ? &*metadata : nullptr));
  }
  return mode == Mode::kUpdate ? check_readable(view.parts) : Status();
}

Result<std::size_t> IndexImpl::patch_metadata(const RowInput& input, Durability durability) {
  SPRINGG_ASSIGN_OR_RETURN(
      const MemoryReservation reserved,
      reserve_memory(input.metadata.has_value() ? input.metadata->memory_bytes() : 0, nullptr));
  Receipt receipt;
  {
    base::MutexLock lock(write_mutex_);
    SPRINGG_RETURN_IF_ERROR(check_writable());
    const std::shared_ptr<const View> before = newest();
    std::vector<std::optional<Location>> old;
    SPRINGG_RETURN_IF_ERROR(find_old_rows(input, Mode::kUpdate, *before, old));
    ViewEditor editor(*before);
    IdColumn ids;
    MetadataColumn texts;
    for (std::size_t i = 0; i < input.rows(); ++i) {
      const std::optional<std::string_view> text = input.metadata_at(i);
      if (!text.has_value()) continue;
      editor.patch(*old[i], std::make_shared<const std::string>(*text));
      ids.append(input.id(i));
      texts.append(*text);
    }
    receipt = receipt_of_all(durability);
    if (!ids.empty()) {
      ViewQueue::Node entry = entry_of(editor.finish(before->last_sequence));
      SPRINGG_ASSIGN_OR_RETURN(receipt, log(storage::WalType::kMetadata,
                                            storage::encode_metadata(ids, texts), durability));
      stage(std::move(entry), receipt.lsn);
    }
  }
  SPRINGG_RETURN_IF_ERROR(acknowledge(receipt));
  return input.rows();
}

Result<std::size_t> IndexImpl::remove(const IdColumn& ids, std::optional<Durability> durability) {
  return locking_call(*runtime_, [&]() -> Result<std::size_t> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    SPRINGG_RETURN_IF_ERROR(check_ids(ids));
    RowInput input;
    input.ids = &ids;
    keep_last_of_equal_ids(input);
    return erase(input, level(durability));
  });
}

Result<std::size_t> IndexImpl::erase(const RowInput& input, Durability durability) {
  Receipt receipt;
  IdColumn removed;
  {
    base::MutexLock lock(write_mutex_);
    SPRINGG_RETURN_IF_ERROR(check_writable());
    const std::shared_ptr<const View> before = newest();
    ViewEditor editor(*before);
    for (std::size_t i = 0; i < input.rows(); ++i) {
      const std::optional<Location> location = before->find(input.id(i));
      if (!location.has_value()) continue;
      editor.erase(*location);
      removed.append(input.id(i));
    }
    SPRINGG_RETURN_IF_ERROR(check_readable(before->parts));
    receipt = receipt_of_all(durability);
    if (!removed.empty()) {
      ViewQueue::Node entry = entry_of(editor.finish(before->last_sequence));
      SPRINGG_ASSIGN_OR_RETURN(
          receipt, log(storage::WalType::kDelete, storage::encode_delete(removed), durability));
      stage(std::move(entry), receipt.lsn);
      note_change();
      wake_merger();
    }
  }
  SPRINGG_RETURN_IF_ERROR(acknowledge(receipt));
  return removed.size();
}

}  // namespace springg::engine
