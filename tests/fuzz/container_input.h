// SPDX-License-Identifier: MIT
// A compact form of section files for fuzzing: no padding, and checksums that are always right, so
// that changed bytes reach the code behind them.
//
//   u8 patches, then for each: u16 offset in the header page, u8 value
//   then sections to the end: u8 kind, u8 flags, u16 length, bytes
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "storage/file_bytes.h"

namespace springg::fuzz {

inline const base::Uuid kUuid{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  // Short at the end of the input.
  std::span<const std::byte> take(std::size_t count) {
    const auto taken = bytes_.first(std::min(count, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  template <class T>
  T number() {
    T value = 0;
    const auto taken = take(sizeof value);
    if (!taken.empty()) std::memcpy(&value, taken.data(), taken.size());
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
};

// The file that the input stands for; without bytes when it is no input.
inline storage::Bytes container(storage::FileKind kind, const std::uint8_t* data,
                                std::size_t size) {
  Reader reader(std::as_bytes(std::span(data, size)));
  std::vector<std::pair<std::uint16_t, std::byte>> patches(reader.number<std::uint8_t>());
  for (auto& [offset, value] : patches) {
    offset = reader.number<std::uint16_t>() % storage::kPageBytes;
    value = static_cast<std::byte>(reader.number<std::uint8_t>());
  }
  std::vector<storage::OwnedSection> sections;
  while (!reader.empty() && sections.size() < storage::kSectionsMax) {
    storage::OwnedSection section;
    section.kind = reader.number<std::uint8_t>();
    section.flags = reader.number<std::uint8_t>();
    const auto bytes = reader.take(reader.number<std::uint16_t>());
    section.bytes.assign(bytes.begin(), bytes.end());
    sections.push_back(std::move(section));
  }
  storage::Bytes file = storage::file_of(kind, kUuid, sections);
  for (const auto& [offset, value] : patches) file[offset] = value;
  if (!file.empty()) storage::seal_header(file);
  return file;
}

}  // namespace springg::fuzz
