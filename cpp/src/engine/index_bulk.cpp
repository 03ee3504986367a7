// SPDX-License-Identifier: MIT
// Calls of more rows than a memtable takes: a segment is built beside the index, then published.
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
      Status status = codec.encode(input.vectors.row(input.call_row(i)), input.call_row(i),
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

}  // namespace

Result<std::size_t> IndexImpl::store_as_segment(const RowInput& input, Mode mode,
                                                Progress* progress) {
  std::vector<std::optional<Location>> old;
  SPRINGG_RETURN_IF_ERROR(find_old_rows(input, mode, *current(), old));
  const auto rows = static_cast<std::uint32_t>(input.rows());
  SPRINGG_ASSIGN_OR_RETURN(auto builder,
                           storage::SegmentBuilder::create(segment_settings(options_), rows));
  SPRINGG_RETURN_IF_ERROR(copy_vectors(input, options_, *builder, runtime_->pool, progress));
  SPRINGG_RETURN_IF_ERROR(set_ids(input, *builder));
  SPRINGG_RETURN_IF_ERROR(build_graph(*builder, rows, options_, runtime_->pool, progress));
  base::MutexLock lock(write_mutex_);
  SPRINGG_RETURN_IF_ERROR(check_writable());
  return publish_segment(input, mode, *builder);
}

// Sequences are given out here and not when the call began: rows that others stored meanwhile come
// before this segment, so parts stay in the order of their sequences.
Result<std::size_t> IndexImpl::publish_segment(const RowInput& input, Mode mode,
                                               storage::SegmentBuilder& builder) {
  const std::shared_ptr<const View> before = current();
  std::vector<std::optional<Location>> old;
  SPRINGG_RETURN_IF_ERROR(find_old_rows(input, mode, *before, old));
  MetadataColumn metadata;
  bool any = false;
  for (std::size_t i = 0; i < input.rows(); ++i) {
    std::optional<std::string_view> text = input.metadata_at(i);
    if (mode == Mode::kUpdate && !text.has_value()) {
      text = before->parts[old[i]->part].metadata(old[i]->row);
    }
    any = any || text.has_value();
    text.has_value() ? metadata.append(*text) : metadata.append_none();
  }
  if (any) SPRINGG_RETURN_IF_ERROR(builder.set_metadata(metadata));
  std::iota(builder.sequences(), builder.sequences() + input.rows(), next_sequence_);
  SPRINGG_ASSIGN_OR_RETURN(auto segment, builder.finish());
  SPRINGG_ASSIGN_OR_RETURN(auto part, SegmentPart::open(std::move(segment), runtime_->budget));
  ViewEditor editor(*before);
  for (const auto& location : old) {
    if (location.has_value()) editor.erase(*location);
  }
  editor.show(part, static_cast<std::uint32_t>(input.rows()));
  std::shared_ptr<const View> next = editor.finish(next_sequence_ + input.rows() - 1);
  // Rows that come now belong behind this segment: the memtable before it is sealed.
  active_ = nullptr;
  next_sequence_ += input.rows();
  publish(std::move(next));
  wake_builder();
  return input.rows();
}

}  // namespace springg::engine
