// SPDX-License-Identifier: MIT
// Files as bytes that a test may change: a read-only file system over them, their sections taken
// apart and put together again, their header sealed again after a change.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "io/file_system.h"
#include "storage/section_file.h"
#include "storage/section_layout.h"

namespace springg::storage {

using Bytes = std::vector<std::byte>;

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// Whatever name is mapped is this one file; nothing is copied. The bytes start on a cache line.
class OneFile final : public io::FileSystem {
 public:
  explicit OneFile(std::span<const std::byte> bytes) : storage_(bytes.size() + kAlignment) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    begin_ = storage_.data() + (kAlignment - address % kAlignment) % kAlignment;
    size_ = bytes.size();
    if (size_ != 0) std::memcpy(begin_, bytes.data(), size_);
  }

  std::byte& operator[](std::size_t i) { return begin_[i]; }
  std::size_t size() const { return size_; }
  void cut(std::size_t size) { size_ = size; }

  Result<std::shared_ptr<const io::MappedFile>> map(const std::string&) override {
    return std::shared_ptr<const io::MappedFile>(new Mapped({begin_, size_}));
  }
  Result<bool> exists(const std::string&) override { return false; }
  Status create_directories(const std::string&) override { return refused(); }
  Result<std::unique_ptr<io::WritableFile>> create(const std::string&, std::uint64_t) override {
    return refused();
  }
  Result<std::uint64_t> file_bytes(const std::string&) override { return size_; }
  Status rename(const std::string&, const std::string&) override { return refused(); }
  Status link(const std::string&, const std::string&) override { return refused(); }
  Status remove(const std::string&) override { return refused(); }
  Result<std::vector<std::string>> list(const std::string&) override { return names; }
  Status sync_directory(const std::string&) override { return refused(); }
  Result<std::unique_ptr<io::DirectoryLock>> lock_directory(const std::string&) override {
    return refused();
  }

  std::vector<std::string> names;  // what list() gives

 private:
  static constexpr std::size_t kAlignment = 64;
  class Mapped final : public io::MappedFile {
   public:
    explicit Mapped(std::span<const std::byte> bytes) : bytes_(bytes) {}
    std::span<const std::byte> bytes() const noexcept override { return bytes_; }

   private:
    std::span<const std::byte> bytes_;
  };
  static Status refused() { return io_error("this file system is read-only"); }

  Bytes storage_;
  std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
};

struct OwnedSection {
  std::uint32_t kind = 0;
  std::uint32_t version = 1;
  std::uint32_t flags = kOptional;
  Bytes bytes;
};

// The file of these sections, as the code under test writes it.
inline Bytes file_of(FileKind kind, const base::Uuid& uuid,
                     const std::vector<OwnedSection>& sections) {
  const auto files = io::make_memory_file_system();
  std::vector<SectionContent> contents;
  for (const OwnedSection& section : sections) {
    contents.push_back({section.kind, section.version, section.flags, section.bytes});
  }
  if (!write_section_file(*files, "/", "f", kind, uuid, contents).ok()) return {};
  const auto mapped = std::move(files->map("/f")).value();
  return {mapped->bytes().begin(), mapped->bytes().end()};
}

// Trusts the header: for files that were just written.
inline std::vector<OwnedSection> sections_of(std::span<const std::byte> file) {
  std::vector<OwnedSection> sections(load<std::uint32_t>(file, header::kSectionCount));
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const std::size_t at = header::kTable + i * header::kEntryBytes;
    sections[i].kind = load<std::uint32_t>(file, at + header::kEntryKind);
    sections[i].version = load<std::uint32_t>(file, at + header::kEntryVersion);
    sections[i].flags = load<std::uint32_t>(file, at + header::kEntryFlags);
    const auto bytes = file.subspan(load<std::uint64_t>(file, at + header::kEntryOffset),
                                    load<std::uint64_t>(file, at + header::kEntryBytesField));
    sections[i].bytes.assign(bytes.begin(), bytes.end());
  }
  return sections;
}

inline OwnedSection& section_of(std::vector<OwnedSection>& sections, std::uint32_t kind) {
  for (OwnedSection& section : sections) {
    if (section.kind == kind) return section;
  }
  throw std::out_of_range("no section of kind " + std::to_string(kind));
}

// Makes the header's checksum right again after its fields were changed.
inline void seal_header(std::span<std::byte> file) {
  store(file, header::kHeaderChecksum, std::uint64_t{0});
  store(file, header::kHeaderChecksum,
        base::xxh3(std::span<const std::byte>(file.first(kPageBytes))));
}

}  // namespace springg::storage
