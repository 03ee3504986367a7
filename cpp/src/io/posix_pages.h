// SPDX-License-Identifier: MIT
// Which pages of files are in memory, and whose memory that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "io/descriptor.h"
#include "io/file_system.h"

namespace springg::io {

// Takes the pages of `part` out of this process's memory. `mapping` is a whole shared mapping of a
// file. The system maps what lies around a page that is read, when it has it: what it mapped around
// `part` goes too.
void drop_pages(std::span<const std::byte> mapping, std::span<const std::byte> part) noexcept;

// Of an open file. Null when readers have their share of the process's descriptors, or memory is
// short.
std::unique_ptr<const RandomReader> make_random_reader(Descriptor fd) noexcept;

// kUnsupported where the file system cannot make files without a name or reserve space.
Result<std::unique_ptr<ScratchMemory>> make_scratch_memory(const std::string& directory,
                                                           std::uint64_t bytes);

}  // namespace springg::io
