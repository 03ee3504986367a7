// SPDX-License-Identifier: MIT
// The payloads of the log's records (docs/format.md). Positions of rows are not in them: a record
// says what was written, and replaying it finds the rows that it replaces, as the call did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/uuid.h"
#include "springg/status.h"
#include "springg/types.h"

namespace springg::storage {

using Payload = std::vector<std::byte>;

// WalType::kRows: rows that were inserted, or took the place of rows with their ids.
struct RowsToLog {
  std::uint32_t rows = 0;
  std::uint64_t first_sequence = 0;      // the others follow it
  std::size_t vector_bytes = 0;          // of a stored row
  const float* inverse_norms = nullptr;  // rows of them, or null
  base::FunctionRef<IdView(std::uint32_t)> id;
  base::FunctionRef<const std::byte*(std::uint32_t)> vector;
  base::FunctionRef<std::optional<std::string_view>(std::uint32_t)> metadata;
};
Payload encode_rows(const RowsToLog& rows);

struct LoggedRows {
  std::uint64_t first_sequence = 0;
  IdColumn ids;
  std::size_t vector_bytes = 0;
  const std::byte* vectors = nullptr;    // ids.size() x vector_bytes, in the payload
  const float* inverse_norms = nullptr;  // ids.size(), in the payload; null: none
  std::optional<MetadataColumn> metadata;
};
// `payload` is 8-byte aligned. kCorruption says what is wrong, without a file. The same below.
Result<LoggedRows> decode_rows(std::span<const std::byte> payload);

// WalType::kDelete: ids whose rows were deleted.
Payload encode_delete(const IdColumn& ids);
Result<IdColumn> decode_delete(std::span<const std::byte> payload);

// WalType::kMetadata: rows that stay and have other metadata.
struct LoggedMetadata {
  IdColumn ids;
  MetadataColumn metadata;  // one for each id
};
Payload encode_metadata(const IdColumn& ids, const MetadataColumn& metadata);
Result<LoggedMetadata> decode_metadata(std::span<const std::byte> payload);

// WalType::kSegment: the rows of a segment file that was durable before the record was written.
struct LoggedSegment {
  base::Uuid uuid;
  std::uint64_t file_bytes = 0;
  std::uint32_t rows = 0;
  std::uint64_t first_sequence = 0;  // of its rows in the index
  bool into_memtable = false;        // else the file itself is a part of the index
};
Payload encode_segment(const LoggedSegment& segment);
Result<LoggedSegment> decode_segment(std::span<const std::byte> payload);

}  // namespace springg::storage
