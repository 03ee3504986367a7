// SPDX-License-Identifier: MIT
// The rows of one write call after the checks that need no index.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "springg/options.h"
#include "springg/status.h"
#include "springg/types.h"

namespace springg::engine {

struct RowInput {
  const IdColumn* ids = nullptr;
  MatrixView vectors;                      // no rows when the call has none
  std::optional<MetadataColumn> metadata;  // compact; none when the call has none
  // Which rows of the call are stored, ascending; all when `picked` is false.
  std::vector<std::uint32_t> picks;
  bool picked = false;

  std::size_t rows() const noexcept { return picked ? picks.size() : ids->size(); }
  std::size_t call_row(std::size_t i) const noexcept { return picked ? picks[i] : i; }
  IdView id(std::size_t i) const noexcept { return (*ids)[call_row(i)]; }
  std::optional<std::string_view> metadata_at(std::size_t i) const noexcept {
    if (!metadata.has_value() || !metadata->has(call_row(i))) return std::nullopt;
    return metadata->text(call_row(i));
  }
};

// Checks lengths, width, ids and metadata, and compacts the metadata. `vectors` null: none. The
// input refers to `ids` and to the caller's vectors.
Result<RowInput> prepare_rows(const IndexOptions& index, const IdColumn& ids,
                              const MatrixView* vectors, const MetadataColumn* metadata);
// kInvalidArgument when an id is empty, too long, or no UTF-8; names its row.
Status check_ids(const IdColumn& ids);

// kAlreadyExists names the first id that comes twice.
Status refuse_repeats(const RowInput& input);
// Of equal ids the last one is stored, at its own place.
void keep_last_of_equal_ids(RowInput& input);
// The vectors that are not stored must be valid as well: a bad row is an error, not a surprise that
// depends on what follows it. Those that are stored are checked when they are copied.
Status check_rows_left_out(const IndexOptions& index, const RowInput& input);

// Bytes that these rows will take, graph included: what the memory limit is asked for.
std::uint64_t estimated_bytes(const IndexOptions& index, const RowInput& input);

// What a new index may be.
Status check_index_name(std::string_view name);
Status check_index_options(const IndexOptions& options);

}  // namespace springg::engine
