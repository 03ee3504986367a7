// SPDX-License-Identifier: MIT
// A small file written as the storage layer writes its own.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/atomic_file.h"

namespace springg::testing {

// Replaces the file as a whole or not at all; name and bytes are on the disk when this returns ok.
inline Status write_file(io::FileSystem& files, const std::string& directory,
                         const std::string& name, std::span<const std::byte> bytes) {
  SPRINGG_ASSIGN_OR_RETURN(auto file,
                           io::AtomicFile::create(files, directory + "/" + name, bytes.size()));
  SPRINGG_RETURN_IF_ERROR(file.append(bytes));
  SPRINGG_RETURN_IF_ERROR(file.commit());
  return files.sync_directory(directory);
}

}  // namespace springg::testing
