// SPDX-License-Identifier: MIT
// The seam to the operating system's files: everything springg reads or writes goes through a
// FileSystem, so that tests can run in memory, lose unsynced bytes and fail the n-th call. Only
// folder `io` calls the system's file functions. Any thread; one File is used by one thread at a
// time unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "springg/status.h"

namespace springg::io {

// A file being written. Destroying it closes it without syncing.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Appends all bytes or returns an error; after an error the file's content is undefined.
  virtual Status append(std::span<const std::byte> bytes) = 0;
  // Overwrites bytes that were appended before.
  virtual Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Data and size are on the disk when this returns ok. After an error: never retried.
  virtual Status sync() = 0;
  virtual Status close() = 0;
};

// A whole file read-only in memory (mapped where the system can). Stays valid after the file is
// renamed or removed and after the FileSystem is gone.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  virtual std::span<const std::byte> bytes() const noexcept = 0;
  // A part of it could not be read, because the file was cut shorter or the disk failed, and shows
  // zeros now (mapping_guard.h). Ask after reading: true means that what was read may be wrong, and
  // stays true. A few loads.
  virtual bool unreadable() const noexcept { return false; }
  // Pages that hold a part of bytes() may leave the process's memory; read again, they come from
  // the file. A hint: what cannot be done is left undone. Any thread, also while others read there.
  virtual void drop(std::span<const std::byte> part) const noexcept { (void)part; }
};

// Bytes of a file from `offset` on, and where they are wanted.
struct FileRange {
  std::uint64_t offset = 0;
  std::span<std::byte> to;
};

// A file that is read piece by piece into memory of the caller's. Unlike those of a mapping its
// pages are in the system's cache alone: they do not count as this process's memory. Stays valid
// after the file is renamed or removed. Any thread, also several at a time; takes no memory.
class RandomReader {
 public:
  virtual ~RandomReader() = default;
  // At most so many ranges of one call, `wanted` and `soon` together.
  static constexpr std::size_t kRangesMax = 256;
  // Fills all of `wanted`. What is not in the system's cache is asked for first, all of it, so that
  // the disk reads it at the same time, and what is wanted `soon` with it, which is not filled.
  // False when some could not be read: then what it fills is not to be used.
  virtual bool read(std::span<const FileRange> wanted,
                    std::span<const FileRange> soon) const noexcept = 0;
};

// One file in both ways.
struct FileToRead {
  std::shared_ptr<const MappedFile> mapped;
  std::unique_ptr<const RandomReader> reader;  // null where the file can only be mapped
};

// Memory for large work whose pages the system may write to the disk and take away when it needs
// them: a file without a name, mapped. Gone when destroyed.
class ScratchMemory {
 public:
  virtual ~ScratchMemory() = default;
  virtual std::span<std::byte> bytes() noexcept = 0;  // zeroed
  // As MappedFile has it: ask before what was read is believed.
  virtual bool unreadable() const noexcept = 0;
};

// Held until destroyed; the system releases it when the process dies.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // What it had to make is on the disk, with its name, when this returns ok.
  virtual Status create_directories(const std::string& path) = 0;
  // New file; kAlreadyExists when the name is taken. `size_hint` > 0 reserves that space first, so
  // that a full disk is known before anything is written (kResourceExhausted).
  virtual Result<std::unique_ptr<WritableFile>> create(const std::string& path,
                                                       std::uint64_t size_hint) = 0;
  // kNotFound. Refuses symbolic links and what is no regular file.
  virtual Result<std::shared_ptr<const MappedFile>> map(const std::string& path) = 0;
  // As map(), with a reader of the very file that is mapped, whatever has its name by then. A
  // reader keeps a file descriptor; those of the process together take no more than a quarter of
  // what the process may have, and more files have none.
  virtual Result<FileToRead> map_with_reader(const std::string& path) {
    SPRINGG_ASSIGN_OR_RETURN(auto mapped, map(path));
    return FileToRead{std::move(mapped), nullptr};
  }
  // Scratch memory in a directory's file system, all of its space reserved. kUnsupported where
  // there is none; kResourceExhausted.
  virtual Result<std::unique_ptr<ScratchMemory>> make_scratch(const std::string& directory,
                                                              std::uint64_t bytes) {
    return unsupported("cannot make " + std::to_string(bytes) + " bytes of scratch memory in " +
                       directory);
  }
  // Size of a file, of which a mapping made now would be. kNotFound; kIoError for no regular file.
  virtual Result<std::uint64_t> file_bytes(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // A second name, `to`, for the file `from`: no byte is copied, and the file lives until its last
  // name is removed. kAlreadyExists, kNotFound; kUnsupported where the file system has no such
  // names, or not between these two places: copy the file then.
  virtual Status link(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  // Names (not paths) of the regular files in a directory, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  // Renames, creations and removals in the directory are on the disk when this returns ok.
  virtual Status sync_directory(const std::string& path) = 0;
  // One holder among all processes (an open file description lock on directory/LOCK, whose text is
  // the pid) and in this one. kFailedPrecondition names the holder's process id (detail "pid").
  virtual Result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& directory) = 0;
};

// The operating system's. One instance, never destroyed.
FileSystem& posix_file_system();
// An empty one in memory; what it holds dies with it.
std::unique_ptr<FileSystem> make_memory_file_system();

}  // namespace springg::io
