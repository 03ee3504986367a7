// SPDX-License-Identifier: MIT
// What the log says, done again. Records were checked when they were written and their checksums
// when they were read; that they fit this index is checked here, since memory depends on it.
#include <algorithm>
#include <string>
#include <utility>

#include "engine/index_impl.h"

namespace springg::engine {

namespace {

Status misfit(const std::string& what, std::uint64_t expected, std::uint64_t got) {
  return corruption("log record: " + what + ": expected " + std::to_string(expected) + ", got " +
                    std::to_string(got));
}

void erase_old_row(const View& view, const IdView& id, ViewEditor& editor) {
  if (const auto location = view.find(id); location.has_value()) editor.erase(*location);
}

}  // namespace

Status IndexImpl::replay(const storage::WalFrame& frame, const SegmentOpener& open) {
  base::MutexLock lock(write_mutex_);
  const std::span<const std::byte> payload = frame.record.payload;
  switch (frame.record.type) {
    case storage::WalType::kRows: {
      SPRINGG_ASSIGN_OR_RETURN(const auto rows, storage::decode_rows(payload));
      return replay_rows(rows);
    }
    case storage::WalType::kDelete: {
      SPRINGG_ASSIGN_OR_RETURN(const auto ids, storage::decode_delete(payload));
      return replay_delete(ids);
    }
    case storage::WalType::kMetadata: {
      SPRINGG_ASSIGN_OR_RETURN(const auto logged, storage::decode_metadata(payload));
      return replay_metadata(logged);
    }
    case storage::WalType::kSegment: {
      SPRINGG_ASSIGN_OR_RETURN(const auto segment, storage::decode_segment(payload));
      return replay_segment(segment, open);
    }
  }
  return unsupported("log record of type " +
                     std::to_string(static_cast<unsigned>(frame.record.type)));
}

Status IndexImpl::replay_rows(const storage::LoggedRows& logged) {
  const auto rows = static_cast<std::uint32_t>(logged.ids.size());
  const std::size_t stored_bytes = vector_bytes(options_.dtype, options_.dimensions);
  const bool cosine = options_.metric == Metric::kCosine;
  if (rows == 0 || rows > limits::kMemtableRowsMax) {
    return misfit("rows, at most", limits::kMemtableRowsMax, rows);
  }
  if (logged.vector_bytes != stored_bytes) {
    return misfit("bytes of a vector", stored_bytes, logged.vector_bytes);
  }
  if (cosine != (logged.inverse_norms != nullptr)) {
    return misfit("inverse norms", cosine ? 1 : 0, cosine ? 0 : 1);
  }
  if (logged.first_sequence < next_sequence_) {
    return misfit("sequence, at least", next_sequence_, logged.first_sequence);
  }
  // A bulk call took the numbers between: its segment belongs behind this memtable.
  if (logged.first_sequence != next_sequence_) active_ = nullptr;
  SPRINGG_RETURN_IF_ERROR(make_active(rows));
  const std::shared_ptr<const View> before = newest();
  ViewEditor editor(*before);
  for (std::uint32_t i = 0; i < rows; ++i) {
    const float* norm = cosine ? logged.inverse_norms + i : nullptr;
    SPRINGG_RETURN_IF_ERROR(
        active_->stage_stored(i, logged.vectors + std::size_t{i} * stored_bytes, norm));
    const bool has_metadata = logged.metadata.has_value() && logged.metadata->has(i);
    const std::string_view text = has_metadata ? logged.metadata->text(i) : std::string_view();
    SPRINGG_RETURN_IF_ERROR(active_->stage_record(i, logged.ids[i], logged.first_sequence + i,
                                                  has_metadata ? &text : nullptr));
    erase_old_row(*before, logged.ids[i], editor);
  }
  SPRINGG_RETURN_IF_ERROR(check_readable(before->parts));
  editor.show(active_, active_->size() + rows);
  ViewQueue::Node entry = entry_of(editor.finish(logged.first_sequence + rows - 1));
  active_->prepare(rows);
  active_->commit(rows);
  next_sequence_ = logged.first_sequence + rows;
  stage(std::move(entry), 0);
  return {};
}

Status IndexImpl::replay_delete(const IdColumn& ids) {
  const std::shared_ptr<const View> before = newest();
  ViewEditor editor(*before);
  for (std::size_t i = 0; i < ids.size(); ++i) erase_old_row(*before, ids[i], editor);
  SPRINGG_RETURN_IF_ERROR(check_readable(before->parts));
  stage(editor.finish(before->last_sequence));
  return {};
}

Status IndexImpl::replay_metadata(const storage::LoggedMetadata& logged) {
  const std::shared_ptr<const View> before = newest();
  ViewEditor editor(*before);
  for (std::size_t i = 0; i < logged.ids.size(); ++i) {
    const auto location = before->find(logged.ids[i]);
    if (!location.has_value()) {
      return corruption("log record: no row with id " + describe(logged.ids[i]) +
                        " whose metadata is to change");
    }
    std::shared_ptr<const std::string> text;
    if (logged.metadata.has(i)) text = std::make_shared<const std::string>(logged.metadata.text(i));
    editor.patch(*location, std::move(text));
  }
  SPRINGG_RETURN_IF_ERROR(check_readable(before->parts));
  stage(editor.finish(before->last_sequence));
  return {};
}

Status IndexImpl::stage_segment_rows(const storage::Segment& segment,
                                     std::uint64_t first_sequence) {
  for (std::uint32_t row = 0; row < segment.rows(); ++row) {
    const float* norm = options_.metric == Metric::kCosine
                            ? reinterpret_cast<const float*>(segment.inverse_norms().row(row))
                            : nullptr;
    SPRINGG_RETURN_IF_ERROR(active_->stage_stored(row, segment.vectors().row(row), norm));
    const std::string_view text = segment.metadata(row);
    SPRINGG_RETURN_IF_ERROR(active_->stage_record(row, segment.id(row), first_sequence + row,
                                                  text.empty() ? nullptr : &text));
  }
  return segment.check_readable();
}

Status IndexImpl::replay_segment(const storage::LoggedSegment& logged, const SegmentOpener& open) {
  SPRINGG_ASSIGN_OR_RETURN(const std::shared_ptr<SegmentPart> part, open(logged));
  const storage::Segment& segment = *part->storage();
  if (segment.settings() != segment_settings(options_) || segment.rows() != logged.rows ||
      logged.rows == 0) {
    return misfit("rows of a segment of this index", logged.rows, segment.rows());
  }
  const bool in_order = logged.first_sequence >= next_sequence_;
  if (logged.into_memtable && (!in_order || logged.rows > limits::kMemtableRowsMax)) {
    return misfit("sequence, at least", next_sequence_, logged.first_sequence);
  }
  if (in_order && (!logged.into_memtable || logged.first_sequence != next_sequence_)) {
    active_ = nullptr;
  }
  const std::shared_ptr<const View> before = newest();
  ViewEditor editor(*before);
  for (std::uint32_t row = 0; row < segment.rows(); ++row) {
    erase_old_row(*before, segment.id(row), editor);
  }
  SPRINGG_RETURN_IF_ERROR(segment.check_readable());
  SPRINGG_RETURN_IF_ERROR(check_readable(before->parts));
  const std::uint64_t last_sequence = logged.first_sequence + logged.rows - 1;
  if (!logged.into_memtable) {
    editor.insert(part, logged.rows);
    stage(editor.finish(std::max(before->last_sequence, last_sequence)));
  } else {
    SPRINGG_RETURN_IF_ERROR(make_active(logged.rows));
    SPRINGG_RETURN_IF_ERROR(stage_segment_rows(segment, logged.first_sequence));
    editor.show(active_, active_->size() + logged.rows);
    ViewQueue::Node entry = entry_of(editor.finish(last_sequence));
    active_->prepare(logged.rows);
    active_->commit(logged.rows);
    stage(std::move(entry), 0);
  }
  next_sequence_ = std::max(next_sequence_, last_sequence + 1);
  return {};
}

void IndexImpl::end_replay(storage::Lsn lsn) {
  views_.show_through(lsn);
  base::MutexLock lock(write_mutex_);
  note_change();
  wake_builder();
}

}  // namespace springg::engine
