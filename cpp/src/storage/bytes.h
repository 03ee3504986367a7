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

// What is wrong with bytes, and where in them.
struct Defect {
  std::uint64_t offset = 0;
  std::string what;
};

// kCorruption: "<file> is damaged at byte <offset>: <what>", details "file" and "offset".
Status damaged(const std::string& file, std::uint64_t offset, const std::string& what);

}  // namespace springg::storage
