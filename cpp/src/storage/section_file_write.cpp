// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstring>

#include "base/checksum.h"
#include "io/atomic_file.h"
#include "storage/section_file.h"
#include "storage/section_layout.h"

namespace springg::storage {

namespace {

using Page = std::array<std::byte, kPageBytes>;

// The checksum of each block of the padded extent. Only the last block is not whole in memory.
void append_block_checksums(std::span<const std::byte> bytes, std::vector<std::uint64_t>& out) {
  while (!bytes.empty()) {
    const auto block = bytes.first(std::min(bytes.size(), kBlockBytes));
    bytes = bytes.subspan(block.size());
    if (block.size() % kPageBytes == 0) {
      out.push_back(base::xxh3(block));
      continue;
    }
    std::vector<std::byte> last(padded(block.size()));
    std::memcpy(last.data(), block.data(), block.size());
    out.push_back(base::xxh3(last));
  }
}

struct Layout {
  Page page{};
  std::vector<std::uint64_t> checksums;  // padded with zeros to whole pages
  std::uint64_t file_bytes = 0;
};

Layout lay_out(FileKind kind, const base::Uuid& uuid, std::span<const SectionContent> sections) {
  Layout layout;
  const std::span<std::byte> page = layout.page;
  std::uint64_t offset = kPageBytes;
  std::size_t entry = header::kTable;
  for (const SectionContent& section : sections) {
    store(page, entry + header::kEntryKind, section.kind);
    store(page, entry + header::kEntryVersion, section.version);
    store(page, entry + header::kEntryFlags, section.flags);
    store(page, entry + header::kEntryOffset, offset);
    store(page, entry + header::kEntryBytesField, std::uint64_t{section.bytes.size()});
    append_block_checksums(section.bytes, layout.checksums);
    offset += padded(section.bytes.size());
    entry += header::kEntryBytes;
  }
  const std::uint64_t checksum_bytes = layout.checksums.size() * sizeof(std::uint64_t);
  layout.checksums.resize(padded(checksum_bytes) / sizeof(std::uint64_t));
  layout.file_bytes = offset + padded(checksum_bytes);
  std::memcpy(page.data(), header::kMagic.data(), header::kMagic.size());
  store(page, header::kMinReader, kFormatVersion);
  store(page, header::kVersion, kFormatVersion);
  store(page, header::kKind, kind);
  store(page, header::kUuid, uuid.bytes);
  store(page, header::kFileBytes, layout.file_bytes);
  store(page, header::kSectionCount, static_cast<std::uint32_t>(sections.size()));
  store(page, header::kChecksumsOffset, offset);
  store(page, header::kChecksumsBytes, checksum_bytes);
  store(page, header::kChecksumsChecksum,
        base::xxh3(std::as_bytes(std::span<const std::uint64_t>(layout.checksums))));
  store(page, header::kHeaderChecksum, base::xxh3(std::span<const std::byte>(page)));
  return layout;
}

}  // namespace

Result<std::uint64_t> write_section_file(io::FileSystem& files, const std::string& directory,
                                         const std::string& name, FileKind kind,
                                         const base::Uuid& uuid,
                                         std::span<const SectionContent> sections) {
  if (sections.size() > kSectionsMax) {
    return Status(ErrorCode::kInternal, "too many sections in " + name + ": expected at most " +
                                            std::to_string(kSectionsMax) + ", got " +
                                            std::to_string(sections.size()));
  }
  const Layout layout = lay_out(kind, uuid, sections);
  SPRINGG_ASSIGN_OR_RETURN(
      auto file, io::AtomicFile::create(files, directory + "/" + name, layout.file_bytes));
  SPRINGG_RETURN_IF_ERROR(file.append(layout.page));
  static constexpr Page kZeros{};
  for (const SectionContent& section : sections) {
    SPRINGG_RETURN_IF_ERROR(file.append(section.bytes));
    const std::uint64_t padding = padded(section.bytes.size()) - section.bytes.size();
    SPRINGG_RETURN_IF_ERROR(file.append(std::span(kZeros).first(padding)));
  }
  SPRINGG_RETURN_IF_ERROR(
      file.append(std::as_bytes(std::span<const std::uint64_t>(layout.checksums))));
  SPRINGG_RETURN_IF_ERROR(file.commit());
  return layout.file_bytes;
}

}  // namespace springg::storage
