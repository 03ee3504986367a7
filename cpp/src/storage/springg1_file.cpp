// SPDX-License-Identifier: MIT
// NAME.bin of the Go Springg: "SPRINGG1", u32 version, dimensions and rows, 12 reserved bytes; then
// a record a row: u32 bytes of the id, the id, float32 elements. Nothing in it is aligned.
#include <cstring>
#include <string>

#include "springg/options.h"
#include "springg/vector_files.h"
#include "storage/bytes.h"

namespace springg {

namespace {

using storage::load;

constexpr std::string_view kMagic = "SPRINGG1";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kDimensionsAt = 12;
constexpr std::size_t kRowsAt = 16;
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kIdSizeBytes = sizeof(std::uint32_t);

Status bad_file(std::uint64_t offset, const std::string& what) {
  return corruption(what + " at byte " + std::to_string(offset))
      .with("offset", static_cast<std::int64_t>(offset));
}

std::string expected_got(const std::string& expected, std::uint64_t actual) {
  return "expected " + expected + ", got " + std::to_string(actual);
}

// Bytes of the record that begins at `offset`; kCorruption when the file ends in it.
Result<std::uint64_t> record_bytes(std::span<const std::byte> file, std::uint64_t offset,
                                   std::uint64_t vector_bytes, std::uint64_t row) {
  const std::string name = "record " + std::to_string(row + 1);
  if (offset > file.size() || file.size() - offset < kIdSizeBytes) {
    return bad_file(offset, "file ends in " + name);
  }
  const std::uint64_t available = file.size() - offset - kIdSizeBytes;
  const std::uint64_t id_bytes = load<std::uint32_t>(file, offset);
  if (available < vector_bytes || id_bytes > available - vector_bytes) {
    return bad_file(
        offset, name + ": " +
                    expected_got("id and vector of at most " + std::to_string(available) + " bytes",
                                 id_bytes + vector_bytes));
  }
  return kIdSizeBytes + id_bytes + vector_bytes;
}

}  // namespace

Result<Springg1Layout> parse_springg1(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (!text.starts_with(kMagic)) return bad_file(0, "not a SPRINGG1 file: magic bytes differ");
  if (file.size() < kHeaderBytes) return bad_file(file.size(), "file ends in its header");
  const auto version = load<std::uint32_t>(file, kVersionAt);
  if (version != kVersion) {
    return unsupported("version of a SPRINGG1 file: " +
                       expected_got(std::to_string(kVersion), version));
  }
  Springg1Layout layout;
  layout.dimensions = load<std::uint32_t>(file, kDimensionsAt);
  if (layout.dimensions < 1 || layout.dimensions > limits::kDimensionsMax) {
    return bad_file(kDimensionsAt,
                    "dimensions: " + expected_got("1 to " + std::to_string(limits::kDimensionsMax),
                                                  layout.dimensions));
  }
  const std::uint64_t vector_bytes = layout.dimensions * sizeof(float);
  const std::uint64_t rows = load<std::uint32_t>(file, kRowsAt);
  const std::uint64_t rows_max = (file.size() - kHeaderBytes) / (kIdSizeBytes + vector_bytes);
  if (rows > rows_max) {  // before memory is taken for them
    return bad_file(kRowsAt,
                    "rows: " + expected_got("at most " + std::to_string(rows_max) + " in " +
                                                std::to_string(file.size()) + " bytes",
                                            rows));
  }
  layout.records.reserve(rows);
  std::uint64_t offset = kHeaderBytes;
  for (std::uint64_t row = 0; row < rows; ++row) {
    SPRINGG_ASSIGN_OR_RETURN(const std::uint64_t bytes,
                             record_bytes(file, offset, vector_bytes, row));
    layout.records.push_back(offset);
    offset += bytes;
  }
  if (offset != file.size()) {
    return bad_file(offset,
                    "bytes after the last record: " + expected_got("none", file.size() - offset));
  }
  return layout;
}

Status copy_springg1_vectors(std::span<const std::byte> file,
                             std::span<const std::uint64_t> records, std::size_t dimensions,
                             float* out) {
  const std::uint64_t vector_bytes = dimensions * sizeof(float);
  for (std::size_t row = 0; row < records.size(); ++row) {
    SPRINGG_ASSIGN_OR_RETURN(const std::uint64_t bytes,
                             record_bytes(file, records[row], vector_bytes, row));
    std::memcpy(out + row * dimensions, file.data() + records[row] + bytes - vector_bytes,
                vector_bytes);
  }
  return {};
}

}  // namespace springg
