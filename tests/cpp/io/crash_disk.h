// SPDX-License-Identifier: MIT
// Short ways to write to a FaultFileSystem and to read what a crash left.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "catch.h"
#include "io/fault_file_system.h"

namespace springg::io::test {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline void require_ok(const Status& status) {
  INFO(status.message());
  REQUIRE(status.ok());
}

template <class T>
T require_value(Result<T> result) {
  require_ok(result.status());
  return std::move(result).value();
}

inline std::string text_of(FileSystem& files, const std::string& path) {
  const auto mapped = require_value(files.map(path));
  return {reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size()};
}

// All files of a directory but the lock, by name.
using Contents = std::map<std::string, std::string>;

inline Contents contents_of(FileSystem& files, const std::string& directory = "/") {
  Contents contents;
  for (const std::string& name : require_value(files.list(directory))) {
    if (name == "LOCK") continue;
    contents[name] = text_of(files, directory == "/" ? "/" + name : directory + "/" + name);
  }
  return contents;
}

// A file with its name and content on the disk.
inline std::unique_ptr<WritableFile> make_durable_file(FaultFileSystem& files,
                                                       const std::string& path,
                                                       std::string_view text) {
  auto file = require_value(files.create(path, 0));
  require_ok(file->append(bytes_of(text)));
  require_ok(file->sync());
  require_ok(files.sync_directory("/"));
  return file;
}

}  // namespace springg::io::test
