// SPDX-License-Identifier: MIT
// Reads: each takes one view and never waits for a writer.
#include <algorithm>
#include <utility>

#include "engine/index_impl.h"
#include "engine/index_view.h"
#include "engine/search.h"
#include "engine/search_explanation.h"
#include "engine/vector_codec.h"

namespace springg::engine {

Result<std::size_t> IndexImpl::rows() const {
  return call(*runtime_, [&]() -> Result<std::size_t> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    return static_cast<std::size_t>(current()->live_rows);
  });
}

Result<bool> IndexImpl::contains(const IdView& id) const {
  return call(*runtime_, [&]() -> Result<bool> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    const std::shared_ptr<const View> view = current();
    const std::optional<Location> at = view->find(id);
    // It looked at the parts behind that of the row, too.
    SPRINGG_RETURN_IF_ERROR(check_readable(view->parts, at.has_value() ? at->part : 0));
    return at.has_value();
  });
}

Result<RecordBatch> IndexImpl::get(const IdColumn& ids, Include include) const {
  return call(*runtime_, [&]() -> Result<RecordBatch> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    const std::shared_ptr<const View> view = current();
    const VectorCodec codec(options_);
    RecordBatch batch;
    batch.found.reserve(ids.size());
    if (include.metadata) batch.metadata.emplace();
    std::size_t first_read = view->parts.size();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const std::optional<Location> at = view->find(ids[i]);
      batch.found.push_back(at.has_value() ? 1 : 0);
      first_read = std::min<std::size_t>(first_read, at.has_value() ? at->part : 0);
      if (!at.has_value()) continue;
      const PartView& part = view->parts[at->part];
      batch.ids.append(ids[i]);
      if (include.metadata) {
        const auto text = part.metadata(at->row);
        text.has_value() ? batch.metadata->append(*text) : batch.metadata->append_none();
      }
      if (include.vectors) {
        part.part->compare_vectors(at->row, at->row + 1);
        codec.append(part.part->space().vectors.row(at->row), batch.vectors, batch.byte_vectors);
        part.part->let_go(at->row, at->row + 1);
      }
    }
    SPRINGG_RETURN_IF_ERROR(check_readable(view->parts, first_read));
    return batch;
  });
}

Result<SearchResult> IndexImpl::search(const MatrixView& queries, const SearchOptions& options,
                                       Progress* progress) const {
  return call(*runtime_, [&]() -> Result<SearchResult> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    const std::shared_ptr<const View> view = current();
    return checked_search(*view, options_, default_ef_.load(), queries, options, runtime_->pool,
                          progress);
  });
}

Result<std::shared_ptr<const IndexView>> IndexImpl::view() const {
  return call(*runtime_, [&]() -> Result<std::shared_ptr<const IndexView>> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    return std::shared_ptr<const IndexView>(
        std::make_shared<const IndexViewImpl>(current(), options_, default_ef_.load(), runtime_));
  });
}

Result<IndexStats> IndexImpl::stats() const {
  return call(*runtime_, [&]() -> Result<IndexStats> {
    SPRINGG_RETURN_IF_ERROR(check_not_dropped());
    IndexStats stats = collect_stats();
    stats.settled = is_settled(*current());
    stats.background_error = background_error();
    stats.search = explain_search(*current(), options_, tuning());
    return stats;
  });
}

std::string IndexImpl::background_error() const {
  base::MutexLock lock(error_mutex_);
  return background_error_.message();
}

IndexStats IndexImpl::collect_stats() const {
  const std::shared_ptr<const View> view = current();
  IndexStats stats;
  stats.rows = view->live_rows;
  stats.last_sequence = view->last_sequence;
  stats.lsn = views_.shown_lsn();
  stats.read_only = refusal_.message();
  for (const PartView& part : view->parts) {
    stats.deleted_rows += part.rows - part.live_rows();
    if (part.part->memtable() != nullptr) {
      stats.memtable_rows += part.rows;
    } else {
      ++stats.segments;
    }
    if (part.rows >= kGraphRowsMin) stats.unindexed_rows += part.rows - part.covered();
    const PartBytes bytes = part.part->bytes();
    stats.vector_bytes += bytes.vectors;
    stats.graph_bytes += bytes.graph;
    stats.code_bytes += bytes.codes;
    stats.id_bytes += bytes.ids;
    stats.metadata_bytes += bytes.metadata;
    stats.other_bytes += bytes.other;
    if (part.overlay != nullptr) stats.other_bytes += part.overlay->memory_bytes();
  }
  return stats;
}

}  // namespace springg::engine
