// SPDX-License-Identifier: MIT
#include "storage/section_file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checksum.h"
#include "storage/section_layout.h"

namespace springg::storage {

Status damaged(const std::string& file, std::uint64_t offset, const std::string& what) {
  return corruption(file + " is damaged at byte " + std::to_string(offset) + ": " + what)
      .with("file", file)
      .with("offset", static_cast<std::int64_t>(offset));
}

Status damaged_section(const std::string& file, std::uint64_t offset, const std::string& name) {
  return damaged(file, offset, "checksum differs in '" + name + "'");
}

Status unreadable_file(const std::string& file) {
  return corruption(file + " cannot be read any more: it was truncated, or the disk failed")
      .with("file", file);
}

namespace {
template <class File>
Result<File> named_file(Result<File> opened, const std::string& path) {
  if (opened.ok() || opened.status().code() != ErrorCode::kNotFound) return opened;
  return damaged(path, 0, "the file is missing");
}
}  // namespace

Result<std::shared_ptr<const io::MappedFile>> map_named_file(io::FileSystem& files,
                                                             const std::string& path) {
  return named_file(files.map(path), path);
}

Result<io::FileToRead> map_named_file_with_reader(io::FileSystem& files, const std::string& path) {
  return named_file(files.map_with_reader(path), path);
}

namespace {

std::string expected_got(const char* what, std::uint64_t expected, std::uint64_t actual) {
  return std::string(what) + ": expected " + std::to_string(expected) + ", got " +
         std::to_string(actual);
}

Status unsupported_file(const std::string& path, const std::string& what) {
  return unsupported(path + " was written by a newer release of springg: " + what)
      .with("file", path);
}

// Everything in the page is trusted to be what was written once this is ok.
Status check_page(const std::string& path, std::span<const std::byte> file) {
  if (file.size() < kPageBytes) {
    return damaged(path, file.size(),
                   expected_got("file ends within its header", kPageBytes, file.size()));
  }
  if (std::memcmp(file.data(), header::kMagic.data(), header::kMagic.size()) != 0) {
    return damaged(path, 0, "not a springg file (magic bytes differ)");
  }
  std::array<std::byte, kPageBytes> page;
  std::memcpy(page.data(), file.data(), page.size());
  store(page, header::kHeaderChecksum, std::uint64_t{0});
  if (base::xxh3(page) != load<std::uint64_t>(file, header::kHeaderChecksum)) {
    return damaged(path, 0, "header checksum differs");
  }
  const auto min_reader = load<std::uint32_t>(file, header::kMinReader);
  if (min_reader > kFormatVersion) {
    return unsupported_file(path, "it needs a reader of format " + std::to_string(min_reader) +
                                      ", this one reads up to " + std::to_string(kFormatVersion));
  }
  return {};
}

Status check_size_and_kind(const std::string& path, std::span<const std::byte> file,
                           FileKind kind) {
  const auto file_bytes = load<std::uint64_t>(file, header::kFileBytes);
  if (file_bytes != file.size()) {
    return damaged(path, std::min<std::uint64_t>(file_bytes, file.size()),
                   expected_got("file size", file_bytes, file.size()));
  }
  const auto actual = load<std::uint32_t>(file, header::kKind);
  if (actual != static_cast<std::uint32_t>(kind)) {
    return damaged(path, header::kKind,
                   expected_got("kind of file", static_cast<std::uint32_t>(kind), actual));
  }
  return {};
}

// Reads the table. The sections and the checksums must tile the file: each starts where the one
// before ends, so that none overlap and no byte is without a checksum.
Result<std::vector<Section>> read_table(const std::string& path, std::span<const std::byte> file) {
  const auto count = load<std::uint32_t>(file, header::kSectionCount);
  if (count > kSectionsMax) {
    return damaged(path, header::kSectionCount,
                   "section count: expected at most " + std::to_string(kSectionsMax) + ", got " +
                       std::to_string(count));
  }
  std::vector<Section> sections;
  std::uint64_t end = kPageBytes;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = header::kTable + i * header::kEntryBytes;
    Section section;
    section.kind = load<std::uint32_t>(file, at + header::kEntryKind);
    section.version = load<std::uint32_t>(file, at + header::kEntryVersion);
    section.flags = load<std::uint32_t>(file, at + header::kEntryFlags);
    section.offset = load<std::uint64_t>(file, at + header::kEntryOffset);
    const auto length = load<std::uint64_t>(file, at + header::kEntryBytesField);
    if (section.offset != end) {
      return damaged(path, at, expected_got("offset of a section", end, section.offset));
    }
    // `end` <= file.size(), and both are multiples of the page or this is caught at the end.
    if (length > file.size() - end || padded(length) > file.size() - end) {
      return damaged(path, at,
                     "section of " + std::to_string(length) + " bytes at " + std::to_string(end) +
                         " is longer than the file of " + std::to_string(file.size()));
    }
    for (const Section& other : sections) {
      if (other.kind != section.kind) continue;
      return damaged(path, at, "section kind " + std::to_string(section.kind) + " comes twice");
    }
    section.bytes = file.subspan(end, length);
    end += padded(length);
    sections.push_back(section);
  }
  const auto checksums_offset = load<std::uint64_t>(file, header::kChecksumsOffset);
  if (checksums_offset != end) {
    return damaged(path, header::kChecksumsOffset,
                   expected_got("offset of the checksums", end, checksums_offset));
  }
  return sections;
}

Result<std::span<const std::byte>> read_checksums(const std::string& path,
                                                  std::span<const std::byte> file,
                                                  std::span<const Section> sections) {
  std::uint64_t blocks = 0;
  for (const Section& section : sections) blocks += blocks_of(padded(section.bytes.size()));
  const std::uint64_t bytes = blocks * sizeof(std::uint64_t);
  const auto stated = load<std::uint64_t>(file, header::kChecksumsBytes);
  if (stated != bytes) {
    return damaged(path, header::kChecksumsBytes,
                   expected_got("bytes of checksums", bytes, stated));
  }
  const auto offset = load<std::uint64_t>(file, header::kChecksumsOffset);
  if (file.size() - offset != padded(bytes)) {
    return damaged(path, offset, expected_got("file size", offset + padded(bytes), file.size()));
  }
  const auto extent = file.subspan(offset);
  if (base::xxh3(extent) != load<std::uint64_t>(file, header::kChecksumsChecksum)) {
    return damaged(path, offset, "checksum of the checksums differs");
  }
  return extent.first(bytes);
}

// Offset of the first block whose checksum differs; none when all are right.
bool verify_blocks(std::span<const std::byte> extent, std::span<const std::byte> checksums,
                   std::uint64_t& bad_block) {
  for (std::uint64_t block = 0; block < blocks_of(extent.size()); ++block) {
    if (block_matches(extent, checksums, block)) continue;
    bad_block = block * kBlockBytes;
    return false;
  }
  return true;
}

std::string name_of(const Section& section, std::span<const KnownSection> known) {
  const auto found = std::find_if(known.begin(), known.end(), [&](const KnownSection& entry) {
    return entry.kind == section.kind;
  });
  if (found != known.end()) return found->name;
  return "section of kind " + std::to_string(section.kind);
}

bool is_known(const Section& section, std::span<const KnownSection> known) {
  return std::any_of(known.begin(), known.end(), [&](const KnownSection& entry) {
    return entry.kind == section.kind && section.version <= entry.version;
  });
}

}  // namespace

Result<SectionFile> SectionFile::parse(const std::string& path, std::span<const std::byte> file,
                                       FileKind kind, std::span<const KnownSection> known,
                                       const ComparedLater& later) {
  SPRINGG_RETURN_IF_ERROR(check_page(path, file));
  SPRINGG_RETURN_IF_ERROR(check_size_and_kind(path, file, kind));
  SPRINGG_ASSIGN_OR_RETURN(auto sections, read_table(path, file));
  SPRINGG_ASSIGN_OR_RETURN(auto checksums, read_checksums(path, file, sections));
  SectionFile result;
  result.path_ = path;
  result.file_ = file;
  result.uuid_.bytes = load<std::array<std::uint8_t, 16>>(file, header::kUuid);
  for (Section& section : sections) {
    if ((section.flags & kRequired) != 0 && !is_known(section, known)) {
      return unsupported_file(path, "section of kind " + std::to_string(section.kind) +
                                        ", version " + std::to_string(section.version) +
                                        " is required and not known");
    }
    const auto extent = file.subspan(section.offset, padded(section.bytes.size()));
    const auto own = checksums.first(blocks_of(extent.size()) * sizeof(std::uint64_t));
    checksums = checksums.subspan(own.size());
    std::uint64_t bad_block = 0;
    if (section.kind == later.kind && extent.size() >= later.bytes_min) {
      section.checksums = own;
    } else if (!verify_blocks(extent, own, bad_block)) {
      if ((section.flags & kDerived) == 0) {
        return damaged_section(path, section.offset + bad_block, name_of(section, known));
      }
      section.damaged = true;
    }
    if (is_known(section, known)) result.sections_.push_back(section);
  }
  return result;
}

Status SectionFile::check_uuid(const base::Uuid& expected) const {
  if (uuid_ == expected) return {};
  return damaged(path_, header::kUuid,
                 "uuid: expected " + expected.to_string() + ", got " + uuid_.to_string());
}

const Section* SectionFile::find(std::uint32_t kind) const noexcept {
  for (const Section& section : sections_) {
    if (section.kind == kind) return &section;
  }
  return nullptr;
}

Result<std::span<const std::byte>> SectionFile::need(std::uint32_t kind, const char* name) const {
  const Section* section = find(kind);
  if (section == nullptr) {
    return damaged(path_, header::kTable, std::string("section '") + name + "' is missing");
  }
  // A writer's mistake: what cannot be made again was flagged as derived.
  if (section->damaged) {
    return damaged(path_, section->offset, std::string("checksum differs in '") + name + "'");
  }
  return section->bytes;
}

Result<std::span<const std::byte>> SectionFile::need(std::uint32_t kind, const char* name,
                                                     std::uint64_t length) const {
  SPRINGG_ASSIGN_OR_RETURN(auto bytes, need(kind, name));
  if (bytes.size() == length) return bytes;
  const std::string what = std::string("bytes of section '") + name + "'";
  return damaged(path_, find(kind)->offset, expected_got(what.c_str(), length, bytes.size()));
}

Result<std::unique_ptr<BlockChecks>> SectionFile::block_checks(std::uint32_t kind) const {
  const Section* section = find(kind);
  if (section == nullptr || section->checksums.empty()) return std::unique_ptr<BlockChecks>();
  return BlockChecks::create(file_.subspan(section->offset, padded(section->bytes.size())),
                             section->checksums);
}

Status SectionFile::defect(std::uint32_t kind, const Defect& found) const {
  return damaged(path_, find(kind)->offset + found.offset, found.what);
}

}  // namespace springg::storage
