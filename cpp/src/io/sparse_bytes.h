// SPDX-License-Identifier: MIT
// The content of a file in memory, as a value that is cheap to copy: pages of 4 KiB that versions
// of the file share, none where all is zero. For FaultFileSystem, which keeps a version for each
// write and makes thousands of files that differ in a sector.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "io/file_system.h"
#include "springg/status.h"

namespace springg::io {

// Immutable; any thread. A copy costs a pointer for each 256 KiB.
class SparseBytes {
 public:
  static constexpr std::size_t kPageBytes = 4'096;
  static constexpr std::size_t kChunkPages = 64;
  static constexpr std::size_t kChunkBytes = kPageBytes * kChunkPages;

  std::uint64_t size() const noexcept { return size_; }
  // Bytes from `offset` on; zeros beyond the end.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  // Fills `out` (zeroed, size() bytes) and returns which pages are not all zero.
  std::vector<std::uint32_t> copy_to(std::byte* out) const;

 private:
  friend class SparseBytesEditor;
  using Page = std::array<std::byte, kPageBytes>;
  // Null where all is zero.
  struct Chunk {
    std::array<std::shared_ptr<const Page>, kChunkPages> pages;
  };
  const Page* page(std::uint64_t number) const noexcept;

  std::uint64_t size_ = 0;
  // May be shorter than the size: zeros from there on. Bytes behind the end in the last page are 0.
  std::vector<std::shared_ptr<const Chunk>> chunks_;
};

// Makes the next version of a content. One thread. Copies each page and chunk at most once.
class SparseBytesEditor {
 public:
  explicit SparseBytesEditor(const SparseBytes& start);

  // Cuts, or grows by zeros.
  void resize(std::uint64_t size);
  // Grows the content where it must.
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  // Makes [begin, end) as it is in `other`; what lies beyond the end of this content is left out.
  void copy(const SparseBytes& other, std::uint64_t begin, std::uint64_t end);
  std::uint64_t size() const noexcept { return bytes_.size_; }
  // No call may follow.
  SparseBytes finish() && { return std::move(bytes_); }

 private:
  using Page = SparseBytes::Page;
  using Chunk = SparseBytes::Chunk;
  struct Own {
    Chunk* chunk = nullptr;   // ours to change
    std::uint64_t pages = 0;  // bits: those of it that are, too
  };
  Chunk& own_chunk(std::size_t number);
  Page& own_page(std::uint64_t number);
  void drop_page(std::uint64_t number);
  void copy_in_page(const SparseBytes& other, std::uint64_t begin, std::uint64_t end);

  SparseBytes bytes_;
  std::vector<Own> own_;
};

// Zeroed memory for mappings, used again: making and clearing 1 MiB for each of many short-lived
// files would cost more than all else. Any thread.
class MappingMemory {
 public:
  struct Block {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
  };
  MappingMemory() = default;
  MappingMemory(const MappingMemory&) = delete;
  MappingMemory& operator=(const MappingMemory&) = delete;
  ~MappingMemory();

  // At least `bytes` of zeros from a page's start; kResourceExhausted.
  Result<Block> take(std::size_t bytes);
  // `dirty`: its pages that are not zero.
  void give_back(Block block, std::span<const std::uint32_t> dirty);

 private:
  static constexpr std::size_t kKeptBytesMax = std::size_t{32} << 20;
  base::Mutex mutex_;
  std::vector<Block> blocks_ SPRINGG_GUARDED_BY(mutex_);
  std::size_t kept_bytes_ SPRINGG_GUARDED_BY(mutex_) = 0;
};

// One version of a file. Any thread. Its mapping is made when it is first asked for and kept.
class FileVersion {
 public:
  FileVersion() = default;
  explicit FileVersion(SparseBytes bytes) : bytes_(std::move(bytes)) {}
  const SparseBytes& bytes() const noexcept { return bytes_; }
  Result<std::shared_ptr<const MappedFile>> map(const std::shared_ptr<MappingMemory>& memory) const;

 private:
  SparseBytes bytes_;
  mutable base::Mutex mutex_;
  mutable std::shared_ptr<const MappedFile> mapped_ SPRINGG_GUARDED_BY(mutex_);
};
using FileRef = std::shared_ptr<const FileVersion>;

}  // namespace springg::io
