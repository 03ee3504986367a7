// SPDX-License-Identifier: MIT
#include "engine/index_view.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/passed_rows.h"
#include "engine/search.h"
#include "engine/segment_part.h"
#include "engine/vector_codec.h"

namespace springg::engine {

namespace {

using base::RowBits;
using base::RowMask;

constexpr std::uint32_t kWordRows = RowMask::kWordRows;
// Words whose live rows are counted together: what finding a position looks at, one by one.
constexpr std::uint32_t kBlockWords = 64;

std::vector<std::uint32_t> live_before_blocks(const PartView& part) {
  const RowBits deleted = part.deleted();
  std::vector<std::uint32_t> before;
  if (deleted.empty()) return before;
  const std::uint32_t words = RowMask::words_of(part.rows);
  std::uint32_t live = 0;
  for (std::uint32_t word = 0; word < words; ++word) {
    if (word % kBlockWords == 0) before.push_back(live);
    live += static_cast<std::uint32_t>(std::popcount(live_word(part, deleted, word)));
  }
  return before;
}

}  // namespace

IndexViewImpl::IndexViewImpl(std::shared_ptr<const View> view, const IndexOptions& options,
                             const DefaultEf& choice, std::shared_ptr<Runtime> runtime)
    : view_(std::move(view)), options_(options), choice_(choice), runtime_(std::move(runtime)) {
  std::size_t end = 0;
  for (const PartView& part : view_->parts) {
    ends_.push_back(end += part.live_rows());
    live_before_.push_back(live_before_blocks(part));
  }
}

void IndexViewImpl::visit(std::size_t begin, std::size_t end,
                          base::FunctionRef<void(const PartView&, std::uint32_t row)> body) const {
  end = std::min(end, rows());
  if (begin >= end) return;
  std::size_t number =
      static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), begin) - ends_.begin());
  std::size_t left = end - begin;
  std::size_t skip = begin - (number == 0 ? 0 : ends_[number - 1]);
  for (; left != 0; ++number, skip = 0) left -= visit_part(number, skip, left, body);
}

std::size_t IndexViewImpl::visit_part(
    std::size_t number, std::size_t skip, std::size_t count,
    base::FunctionRef<void(const PartView&, std::uint32_t row)> body) const {
  const PartView& part = view_->parts[number];
  const RowBits deleted = part.deleted();
  const std::vector<std::uint32_t>& before = live_before_[number];
  std::size_t first = skip / kWordRows;  // when every row is live
  if (before.empty()) {
    skip %= kWordRows;
  } else {
    const auto block = static_cast<std::size_t>(
        std::upper_bound(before.begin(), before.end(), skip) - before.begin() - 1);
    first = block * kBlockWords;
    skip -= before[block];
  }
  const std::uint32_t words = RowMask::words_of(part.rows);
  std::size_t visited = 0;
  for (auto word = static_cast<std::uint32_t>(first); word < words; ++word) {
    std::uint64_t live = live_word(part, deleted, word);
    const auto live_rows = static_cast<std::size_t>(std::popcount(live));
    if (skip >= live_rows) {
      skip -= live_rows;
      continue;
    }
    for (; skip != 0; --skip) live &= live - 1;
    for (; live != 0; live &= live - 1) {
      body(part, word * kWordRows + static_cast<std::uint32_t>(std::countr_zero(live)));
      if (++visited == count) return visited;
    }
  }
  return visited;
}

IdColumn IndexViewImpl::ids(std::size_t begin, std::size_t end) const {
  IdColumn column;
  end = std::min(end, rows());
  if (begin < end) column.reserve(end - begin);
  visit(begin, end,
        [&](const PartView& part, std::uint32_t row) { column.append(part.part->id(row)); });
  return column;
}

RecordBatch IndexViewImpl::records(std::size_t begin, std::size_t end, Include include) const {
  RecordBatch batch;
  const VectorCodec codec(options_);
  if (include.metadata) batch.metadata.emplace();
  PassedRows passed(vector_bytes(options_.dtype, options_.dimensions));
  visit(begin, end, [&](const PartView& part, std::uint32_t row) {
    batch.found.push_back(1);
    batch.ids.append(part.part->id(row));
    if (include.metadata) {
      const auto text = part.metadata(row);
      text.has_value() ? batch.metadata->append(*text) : batch.metadata->append_none();
    }
    if (include.vectors) {
      part.part->compare_vectors(row, row + 1);
      codec.append(part.part->space().vectors.row(row), batch.vectors, batch.byte_vectors);
      passed.pass(*part.part, row);
    }
  });
  return batch;
}

std::optional<VectorBlock> IndexViewImpl::vector_block() const {
  if (view_->parts.size() != 1) return std::nullopt;
  const PartView& part = view_->parts.front();
  if (part.part->segment() == nullptr || part.live_rows() != part.rows) return std::nullopt;
  part.part->compare_vectors(0, part.rows);
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
  PassedRows passed(bytes);
  visit(0, rows(), [&](const PartView& part, std::uint32_t row) {
    part.part->compare_vectors(row, row + 1);
    std::memcpy(to, part.part->space().vectors.row(row), bytes);
    passed.pass(*part.part, row);
    to += bytes;
  });
}

Result<SearchResult> IndexViewImpl::search(const MatrixView& queries, const SearchOptions& options,
                                           Progress* progress) const {
  return call(*runtime_, [&]() -> Result<SearchResult> {
    return checked_search(*view_, options_, choice_, queries, options, runtime_->pool, progress);
  });
}

Status IndexViewImpl::check_open() const {
  return call(*runtime_, []() -> Status { return {}; });
}

}  // namespace springg::engine
