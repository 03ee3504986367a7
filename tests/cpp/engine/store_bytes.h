// SPDX-License-Identifier: MIT
// The files of a store as bytes that a test changes, and file systems that have them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/support.h"
#include "io/file_system.h"
#include "storage/wal_format.h"

namespace springg::test {

using FileBytes = std::map<std::string, std::vector<std::byte>>;

inline FileBytes bytes_in(io::FileSystem& files, const std::string& directory) {
  FileBytes all;
  for (const std::string& name : require_value(files.list(directory))) {
    const auto mapped = require_value(files.map(directory + "/" + name));
    all[name] = {mapped->bytes().begin(), mapped->bytes().end()};
  }
  return all;
}

// Into /d.
inline void fill(io::FileSystem& files, const FileBytes& all) {
  require_ok(files.create_directories("/d"));
  for (const auto& [name, bytes] : all) {
    const auto file = require_value(files.create("/d/" + name, 0));
    require_ok(file->append(bytes));
    require_ok(file->close());
  }
}

inline std::unique_ptr<io::FileSystem> files_of(const FileBytes& all) {
  auto files = io::make_memory_file_system();
  fill(*files, all);
  return files;
}

// Where frames of a log's file begin.
inline std::vector<std::size_t> frames_in(const std::vector<std::byte>& log) {
  std::vector<std::size_t> frames;
  for (std::size_t at = storage::kWalHeaderBytes; at + 8 <= log.size(); at += 8) {
    if (storage::starts_wal_frame(log, at)) frames.push_back(at);
  }
  return frames;
}

}  // namespace springg::test
