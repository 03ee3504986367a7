// SPDX-License-Identifier: MIT
// Logs for tests: written over any file system, read back as values, and changed byte by byte.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "file_bytes.h"
#include "io/file_system.h"
#include "storage/wal_reader.h"
#include "storage/write_ahead_log.h"

namespace springg::storage {

inline const base::Uuid kSampleStore{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

inline std::uint64_t sample_clock() { return 1'764'046'800'000; }
inline std::uint64_t sample_random() {
  static std::mt19937_64 engine(42);
  return engine();
}

inline WalSettings sample_settings(const std::string& directory = "/") {
  WalSettings settings;
  settings.directory = directory;
  settings.store = kSampleStore;
  settings.file_bytes_min = 8 * kSectorBytes;
  settings.file_bytes_max = 64 * kSectorBytes;
  settings.random = sample_random;
  return settings;
}

struct ReadRecord {
  Lsn lsn = 0;
  std::uint64_t stamp = 0;
  std::uint32_t index_ref = 0;
  WalType type = WalType::kRows;
  Bytes payload;

  bool operator==(const ReadRecord&) const = default;
};

// Same number, same bytes; every third one is all zeros.
inline Bytes sample_payload(std::size_t size, std::uint32_t number) {
  Bytes payload(size);
  std::mt19937 random(number);
  if (number % 3 != 0) {
    for (std::byte& byte : payload) byte = static_cast<std::byte>(random());
  }
  return payload;
}

inline Result<Lsn> append_bytes(WriteAheadLog& log, const Bytes& payload,
                                std::uint32_t index_ref = 1) {
  return log.append({index_ref, WalType::kRows, payload});
}

struct ReadLog {
  WalScan scan;
  std::vector<ReadRecord> records;
};

inline Result<ReadLog> read_log(io::FileSystem& files, Lsn after = 0, Lsn durable = 0,
                                const std::string& directory = "/") {
  ReadLog log;
  const auto visit = [&](const WalFrame& frame) -> Status {
    log.records.push_back({frame.lsn,
                           frame.stamp,
                           frame.record.index_ref,
                           frame.record.type,
                           {frame.record.payload.begin(), frame.record.payload.end()}});
    return {};
  };
  SPRINGG_ASSIGN_OR_RETURN(log.scan,
                           scan_wal(files, directory, kSampleStore, after, durable, visit));
  return log;
}

// A log that goes on where what is in `files` ends, as opening a database does it.
inline Result<std::unique_ptr<WriteAheadLog>> reopen_log(io::FileSystem& files,
                                                         WalSettings settings, Lsn after = 0,
                                                         Lsn durable = 0) {
  SPRINGG_ASSIGN_OR_RETURN(const auto log, read_log(files, after, durable, settings.directory));
  continue_wal(log.scan, settings);
  return WriteAheadLog::create(files, settings, sample_clock);
}

inline std::vector<std::string> log_names(io::FileSystem& files,
                                          const std::string& directory = "/") {
  std::vector<std::string> names;
  auto listed = std::move(files.list(directory)).value();
  for (std::string& name : listed) {
    if (wal_file_sequence(name)) names.push_back(std::move(name));
  }
  return names;
}

// Files that a test changes in place; nothing is copied when they are mapped.
class ChangedFiles final : public io::FileSystem {
 public:
  ChangedFiles() = default;
  explicit ChangedFiles(io::FileSystem& from, const std::string& directory = "/") {
    const auto names = std::move(from.list(directory)).value();
    for (const std::string& name : names) {
      const auto mapped = std::move(from.map(directory + "/" + name)).value();
      bytes[name] = {mapped->bytes().begin(), mapped->bytes().end()};
    }
  }

  std::map<std::string, Bytes> bytes;

  Result<std::shared_ptr<const io::MappedFile>> map(const std::string& path) override {
    const auto found = bytes.find(path.substr(path.rfind('/') + 1));
    if (found == bytes.end()) return not_found("no file " + path);
    return std::shared_ptr<const io::MappedFile>(new Mapped(found->second));
  }
  Result<std::vector<std::string>> list(const std::string&) override {
    std::vector<std::string> names;
    for (const auto& [name, content] : bytes) names.push_back(name);
    return names;
  }
  Result<bool> exists(const std::string&) override { return refused(); }
  Status create_directories(const std::string&) override { return refused(); }
  Result<std::unique_ptr<io::WritableFile>> create(const std::string&, std::uint64_t) override {
    return refused();
  }
  Status rename(const std::string&, const std::string&) override { return refused(); }
  Status link(const std::string&, const std::string&) override { return refused(); }
  Result<std::uint64_t> file_bytes(const std::string&) override { return refused(); }
  Status remove(const std::string&) override { return refused(); }
  Status sync_directory(const std::string&) override { return refused(); }
  Result<std::unique_ptr<io::DirectoryLock>> lock_directory(const std::string&) override {
    return refused();
  }

 private:
  class Mapped final : public io::MappedFile {
   public:
    explicit Mapped(std::span<const std::byte> bytes) : bytes_(bytes) {}
    std::span<const std::byte> bytes() const noexcept override { return bytes_; }

   private:
    std::span<const std::byte> bytes_;
  };
  static Status refused() { return io_error("this file system is read-only"); }
};

}  // namespace springg::storage
