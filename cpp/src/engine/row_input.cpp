// SPDX-License-Identifier: MIT
#include "engine/row_input.h"

#include <algorithm>
#include <limits>

#include <tsl/robin_map.h>

#include "base/checksum.h"
#include "engine/segment_codes.h"
#include "engine/utf8.h"
#include "engine/vector_codec.h"
#include "storage/metadata_json.h"

namespace springg::engine {

namespace {

struct IdHash {
  std::size_t operator()(const IdView& id) const noexcept {
    return base::xxh3(id.bytes) ^ static_cast<std::size_t>(id.kind);
  }
};

Status row_error(std::string message, std::size_t row) {
  return invalid_argument(std::move(message)).with("row", static_cast<std::int64_t>(row));
}

Status check_lengths(const IdColumn& ids, const MatrixView* vectors,
                     const MetadataColumn* metadata) {
  if (vectors != nullptr && vectors->rows != ids.size()) {
    return invalid_argument("expected one vector for each of " + std::to_string(ids.size()) +
                            " ids, got " + std::to_string(vectors->rows));
  }
  if (metadata != nullptr && metadata->size() != ids.size()) {
    return invalid_argument("expected one metadata entry for each of " +
                            std::to_string(ids.size()) + " ids, got " +
                            std::to_string(metadata->size()));
  }
  if (ids.size() > limits::kSegmentRowsMax) {
    return resource_exhausted("expected at most " + std::to_string(limits::kSegmentRowsMax) +
                              " rows in one call, got " + std::to_string(ids.size()));
  }
  return {};
}

Result<MetadataColumn> compact(const MetadataColumn& metadata) {
  MetadataColumn compacted;
  std::string text;
  for (std::size_t i = 0; i < metadata.size(); ++i) {
    if (!metadata.has(i)) {
      compacted.append_none();
      continue;
    }
    text.clear();
    const Status status = storage::append_compact_object(metadata.text(i), text);
    if (!status.ok()) {
      return row_error("metadata at row " + std::to_string(i) + ": " + status.message(), i);
    }
    compacted.append(text);
  }
  return compacted;
}

}  // namespace

Status check_ids(const IdColumn& ids) {
  if (ids.all_integers()) return {};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const IdView id = ids[i];
    if (id.kind != IdKind::kString) continue;
    if (id.bytes.empty()) return row_error("id at row " + std::to_string(i) + " is empty", i);
    if (id.bytes.size() > limits::kIdBytesMax) {
      return row_error("id at row " + std::to_string(i) + " is too long: expected at most " +
                           std::to_string(limits::kIdBytesMax) + " bytes, got " +
                           std::to_string(id.bytes.size()),
                       i);
    }
    if (!is_utf8(id.bytes)) {
      return row_error("id at row " + std::to_string(i) + " is not valid UTF-8", i);
    }
  }
  return {};
}

Result<RowInput> prepare_rows(const IndexOptions& index, const IdColumn& ids,
                              const MatrixView* vectors, const MetadataColumn* metadata) {
  SPRINGG_RETURN_IF_ERROR(check_lengths(ids, vectors, metadata));
  SPRINGG_RETURN_IF_ERROR(check_ids(ids));
  RowInput input;
  input.ids = &ids;
  if (vectors != nullptr) {
    SPRINGG_RETURN_IF_ERROR(check_vectors(index, *vectors));
    input.vectors = *vectors;
  }
  if (metadata != nullptr) {
    SPRINGG_ASSIGN_OR_RETURN(input.metadata, compact(*metadata));
  }
  return input;
}

Status refuse_repeats(const RowInput& input) {
  tsl::robin_map<IdView, std::uint32_t, IdHash> seen;
  seen.reserve(input.rows());
  for (std::size_t i = 0; i < input.rows(); ++i) {
    const auto [first, fresh] = seen.try_emplace(input.id(i), static_cast<std::uint32_t>(i));
    if (fresh) continue;
    return already_exists("id " + describe(input.id(i)) + " comes twice in the call: at rows " +
                          std::to_string(first->second) + " and " + std::to_string(i))
        .with("id", plain_text(input.id(i)))
        .with("row", static_cast<std::int64_t>(i));
  }
  return {};
}

void keep_last_of_equal_ids(RowInput& input) {
  tsl::robin_map<IdView, std::uint32_t, IdHash> last;
  last.reserve(input.ids->size());
  for (std::size_t i = 0; i < input.ids->size(); ++i) {
    last.insert_or_assign((*input.ids)[i], static_cast<std::uint32_t>(i));
  }
  if (last.size() == input.ids->size()) return;
  input.picked = true;
  for (const auto& entry : last) input.picks.push_back(entry.second);
  std::sort(input.picks.begin(), input.picks.end());
}

Status check_rows_left_out(const IndexOptions& index, const RowInput& input) {
  if (!input.picked || input.vectors.rows == 0) return {};
  const VectorCodec codec(index);
  std::vector<std::byte> scratch(codec.stored_bytes());
  auto kept = input.picks.begin();
  for (std::size_t row = 0; row < input.ids->size(); ++row) {
    if (kept != input.picks.end() && *kept == row) {
      ++kept;
      continue;
    }
    SPRINGG_RETURN_IF_ERROR(codec.encode(input.vectors, row, scratch.data(), nullptr));
  }
  return {};
}

std::uint64_t estimated_bytes(const IndexOptions& index, const RowInput& input) {
  // A sequence, a norm, an entry of the id table (half of which is empty), a record, and links with
  // a tenth for the upper layers.
  const std::uint64_t row = vector_bytes(index.dtype, index.dimensions) + 8 + 4 + 64 + 32 +
                            index.m * 2 * sizeof(std::uint32_t) * 11 / 10;
  const auto kind = kind_of_codes(index);
  const std::uint64_t codes =
      !kind.has_value()
          ? 0
          : quant::codes_bytes(*kind, index.metric, static_cast<std::uint32_t>(index.dimensions),
                               static_cast<std::uint32_t>(input.rows()));
  return row * input.rows() + codes + input.ids->memory_bytes() +
         (input.metadata.has_value() ? input.metadata->memory_bytes() : 0);
}

}  // namespace springg::engine
