// SPDX-License-Identifier: MIT
// Little-endian fields of files (the build refuses big-endian machines) and findings about them.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "springg/status.h"

namespace springg::storage {

template <class T>
  requires std::is_trivially_copyable_v<T>
T load(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  assert(offset <= bytes.size() && sizeof(T) <= bytes.size() - offset);
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <class T>
  requires std::is_trivially_copyable_v<T>
void store(std::span<std::byte> bytes, std::size_t offset, const T& value) noexcept {
  assert(offset <= bytes.size() && sizeof(T) <= bytes.size() - offset);
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

// The elements of a section whose offset in the file is a multiple of the page.
template <class T>
std::span<const T> elements(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

// One read of a number that may turn to 0 at any moment, as those of a mapped file do when the file
// cannot be read any more (io/mapping_guard.h): what is checked is then what is used.
template <class T>
T load_once(const T* from) noexcept {
  return *const_cast<const volatile T*>(from);
}

// What is wrong with bytes, and where in them.
struct Defect {
  std::uint64_t offset = 0;
  std::string what;
};

// kCorruption: "<file> is damaged at byte <offset>: <what>", details "file" and "offset".
Status damaged(const std::string& file, std::uint64_t offset, const std::string& what);
// kCorruption for a mapped file that shows zeros where it could not be read; detail "file".
Status unreadable_file(const std::string& file);
// Of the block that begins there.
Status damaged_section(const std::string& file, std::uint64_t offset, const std::string& name);

}  // namespace springg::storage
