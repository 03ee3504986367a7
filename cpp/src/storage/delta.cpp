// SPDX-License-Identifier: MIT
#include "storage/delta.h"

#include <array>
#include <utility>

#include "springg/options.h"
#include "storage/section_file.h"

namespace springg::storage {

namespace {

// Written to disk: never change a number.
enum DeltaSection : std::uint32_t { kInfo = 1, kDeleted = 2, kMetadataRows = 3, kMetadata = 4 };

constexpr KnownSection kKnown[] = {{kInfo, 1, "info"},
                                   {kDeleted, 1, "deleted rows"},
                                   {kMetadataRows, 1, "rows with new metadata"},
                                   {kMetadata, 1, "metadata"}};

// Section kInfo.
constexpr std::size_t kInfoRows = 0;          // u32, of the segment
constexpr std::size_t kInfoDeleted = 4;       // u32, entries of kDeleted
constexpr std::size_t kInfoMetadataRows = 8;  // u32, entries of kMetadataRows
constexpr std::size_t kInfoBytes = 16;

// Rows in ascending order below `limit`, each once.
std::optional<Defect> check_rows(std::span<const std::uint32_t> rows, std::uint32_t limit) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < limit && (i == 0 || rows[i] > rows[i - 1])) continue;
    return Defect{i * sizeof(std::uint32_t), "row " + std::to_string(rows[i]) + " of " +
                                                 std::to_string(limit) +
                                                 " is out of order or range"};
  }
  return std::nullopt;
}

std::optional<Defect> check_texts(std::span<const std::byte> bytes, std::size_t count) {
  const std::uint64_t heap_offset = (std::uint64_t{count} + 1) * sizeof(std::uint64_t);
  if (bytes.size() < heap_offset) {
    return Defect{bytes.size(), "bytes of metadata: expected at least " +
                                    std::to_string(heap_offset) + ", got " +
                                    std::to_string(bytes.size())};
  }
  const auto offsets = elements<std::uint64_t>(bytes).first(count + 1);
  const std::uint64_t heap_bytes = bytes.size() - heap_offset;
  for (std::size_t i = 0; i < count; ++i) {
    if (offsets[i + 1] >= offsets[i] && offsets[i + 1] <= heap_bytes &&
        offsets[i + 1] - offsets[i] <= limits::kMetadataBytesMax) {
      continue;
    }
    return Defect{(i + 1) * sizeof(std::uint64_t),
                  "metadata reaches from " + std::to_string(offsets[i]) + " to " +
                      std::to_string(offsets[i + 1]) + " of " + std::to_string(heap_bytes)};
  }
  if (offsets[0] == 0 && offsets[count] == heap_bytes) return std::nullopt;
  return Defect{0, "metadata: expected offsets from 0 to " + std::to_string(heap_bytes) + ", got " +
                       std::to_string(offsets[0]) + " to " + std::to_string(offsets[count])};
}

Result<Delta> decode(const SectionFile& file, std::uint32_t segment_rows) {
  SPRINGG_ASSIGN_OR_RETURN(auto info, file.need(kInfo, "info", kInfoBytes));
  Delta delta;
  delta.rows = load<std::uint32_t>(info, kInfoRows);
  if (delta.rows != segment_rows) {
    return file.defect(kInfo,
                       {kInfoRows, "rows of the segment: expected " + std::to_string(segment_rows) +
                                       ", got " + std::to_string(delta.rows)});
  }
  const auto need_rows = [&](DeltaSection kind, const char* name,
                             std::size_t count_at) -> Result<std::span<const std::uint32_t>> {
    const auto count = load<std::uint32_t>(info, count_at);
    SPRINGG_ASSIGN_OR_RETURN(auto bytes,
                             file.need(kind, name, std::uint64_t{count} * sizeof(std::uint32_t)));
    const auto rows = elements<std::uint32_t>(bytes);
    if (const auto defect = check_rows(rows, segment_rows)) return file.defect(kind, *defect);
    return rows;
  };
  SPRINGG_ASSIGN_OR_RETURN(auto deleted, need_rows(kDeleted, "deleted rows", kInfoDeleted));
  delta.deleted.assign(deleted.begin(), deleted.end());
  SPRINGG_ASSIGN_OR_RETURN(auto rows,
                           need_rows(kMetadataRows, "rows of metadata", kInfoMetadataRows));
  SPRINGG_ASSIGN_OR_RETURN(auto texts, file.need(kMetadata, "metadata"));
  if (const auto defect = check_texts(texts, rows.size())) return file.defect(kMetadata, *defect);
  const auto offsets = elements<std::uint64_t>(texts).first(rows.size() + 1);
  const char* heap = reinterpret_cast<const char*>(texts.data()) + offsets.size_bytes();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::optional<std::string> text;
    const std::uint64_t begin = load_once(&offsets[i]);
    const std::uint64_t end = load_once(&offsets[i + 1]);
    if (end > begin) text.emplace(heap + begin, heap + end);
    delta.metadata.emplace_back(rows[i], std::move(text));
  }
  return delta;
}

}  // namespace

std::string delta_file_name(const base::Uuid& uuid) { return uuid.to_string() + ".delta"; }

Status write_delta(io::FileSystem& files, const std::string& directory, const base::Uuid& uuid,
                   const Delta& delta) {
  std::array<std::byte, kInfoBytes> info{};
  store(info, kInfoRows, delta.rows);
  store(info, kInfoDeleted, static_cast<std::uint32_t>(delta.deleted.size()));
  store(info, kInfoMetadataRows, static_cast<std::uint32_t>(delta.metadata.size()));
  std::vector<std::uint32_t> rows;
  std::vector<std::uint64_t> offsets{0};
  for (const auto& [row, text] : delta.metadata) {
    rows.push_back(row);
    offsets.push_back(offsets.back() + (text ? text->size() : 0));
  }
  std::vector<std::byte> texts(offsets.size() * sizeof(std::uint64_t) + offsets.back());
  std::memcpy(texts.data(), offsets.data(), offsets.size() * sizeof(std::uint64_t));
  std::size_t end = offsets.size() * sizeof(std::uint64_t);
  for (const auto& [row, text] : delta.metadata) {
    if (!text) continue;
    std::memcpy(texts.data() + end, text->data(), text->size());
    end += text->size();
  }
  const SectionContent sections[] = {
      {kInfo, 1, kRequired, info},
      {kDeleted, 1, kRequired, std::as_bytes(std::span(delta.deleted))},
      {kMetadataRows, 1, kRequired, std::as_bytes(std::span(rows))},
      {kMetadata, 1, kRequired, texts}};
  return write_section_file(files, directory, delta_file_name(uuid), FileKind::kDelta, uuid,
                            sections)
      .status();
}

Result<Delta> read_delta(io::FileSystem& files, const std::string& directory,
                         const base::Uuid& uuid, std::uint32_t segment_rows) {
  const std::string path = directory + "/" + delta_file_name(uuid);
  SPRINGG_ASSIGN_OR_RETURN(auto mapped, map_named_file(files, path));
  SPRINGG_ASSIGN_OR_RETURN(auto file,
                           SectionFile::parse(path, mapped->bytes(), FileKind::kDelta, kKnown));
  SPRINGG_RETURN_IF_ERROR(file.check_uuid(uuid));
  auto delta = decode(file, segment_rows);
  if (mapped->unreadable()) return unreadable_file(path);
  return delta;
}

}  // namespace springg::storage
