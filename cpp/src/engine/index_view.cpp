// SPDX-License-Identifier: MIT
#include "engine/index_view.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/segment_part.h"
#include "engine/vector_codec.h"

namespace springg::engine {

namespace {

// The row of a part that has `skip` live rows before it.
std::uint32_t live_row(const PartView& part, std::size_t skip) {
  const base::RowBits deleted = part.deleted();
  if (deleted.empty()) return static_cast<std::uint32_t>(skip);
  std::uint32_t row = 0;
  for (;; ++row) {
    if (deleted.test(row)) continue;
    if (skip == 0) return row;
    --skip;
  }
}

}  // namespace

IndexViewImpl::IndexViewImpl(std::shared_ptr<const View> view, const IndexOptions& options)
    : view_(std::move(view)), options_(options) {
  std::size_t end = 0;
  for (const PartView& part : view_->parts) ends_.push_back(end += part.live_rows());
}

void IndexViewImpl::visit(std::size_t begin, std::size_t end,
                          base::FunctionRef<void(const PartView&, std::uint32_t row)> body) const {
  end = std::min(end, rows());
  if (begin >= end) return;
  std::size_t number =
      static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), begin) - ends_.begin());
  std::size_t left = end - begin;
  std::size_t skip = begin - (number == 0 ? 0 : ends_[number - 1]);
  for (; left != 0; ++number, skip = 0) {
    const PartView& part = view_->parts[number];
    const base::RowBits deleted = part.deleted();
    for (std::uint32_t row = live_row(part, skip); row < part.rows && left != 0; ++row) {
      if (!deleted.empty() && deleted.test(row)) continue;
      body(part, row);
      --left;
    }
  }
}

IdColumn IndexViewImpl::ids(std::size_t begin, std::size_t end) const {
  IdColumn column;
  column.reserve(std::min(end, rows()) - std::min(begin, rows()));
  visit(begin, end,
        [&](const PartView& part, std::uint32_t row) { column.append(part.part->id(row)); });
  return column;
}

RecordBatch IndexViewImpl::records(std::size_t begin, std::size_t end, Include include) const {
  RecordBatch batch;
  const VectorCodec codec(options_);
  if (include.metadata) batch.metadata.emplace();
  visit(begin, end, [&](const PartView& part, std::uint32_t row) {
    batch.found.push_back(1);
    batch.ids.append(part.part->id(row));
    if (include.metadata) {
      const auto text = part.metadata(row);
      text.has_value() ? batch.metadata->append(*text) : batch.metadata->append_none();
    }
    if (include.vectors) {
      const std::size_t at = batch.vectors.size();
      batch.vectors.resize(at + options_.dimensions);
      codec.decode(part.part->space().vectors.row(row), batch.vectors.data() + at);
    }
  });
  return batch;
}

std::optional<VectorBlock> IndexViewImpl::vector_block() const {
  if (view_->parts.size() != 1) return std::nullopt;
  const PartView& part = view_->parts.front();
  if (part.part->segment() == nullptr || part.live_rows() != part.rows) return std::nullopt;
  VectorBlock block;
  block.data = part.part->space().vectors.row(0);
  block.rows = part.rows;
  block.dimensions = options_.dimensions;
  block.dtype = options_.dtype;
  block.owner = part.part->segment()->storage();
  return block;
}

void IndexViewImpl::copy_vectors(void* out) const {
  auto* to = static_cast<std::byte*>(out);
  const std::size_t bytes = vector_bytes(options_.dtype, options_.dimensions);
  visit(0, rows(), [&](const PartView& part, std::uint32_t row) {
    std::memcpy(to, part.part->space().vectors.row(row), bytes);
    to += bytes;
  });
}

}  // namespace springg::engine
