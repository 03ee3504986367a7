// SPDX-License-Identifier: MIT
// Worked examples of docs/format.md against the bytes that the code writes.
#pragma once

#include <cstdio>
#include <fstream>
#include <map>
#include <string>

#include "catch.h"
#include "file_bytes.h"

namespace springg::storage {

inline constexpr std::size_t kLineBytes = 16;

inline std::string line_at(const Bytes& file, std::size_t offset) {
  char text[8 + 2 + kLineBytes * 3 + 1];
  int length = std::snprintf(text, sizeof text, "%08zx ", offset);
  for (std::size_t i = 0; i < kLineBytes; ++i) {
    length += std::snprintf(text + length, sizeof text - static_cast<std::size_t>(length), " %02x",
                            static_cast<unsigned>(file[offset + i]));
  }
  return text;
}

inline bool is_zero_line(const Bytes& file, std::size_t offset) {
  return line_at(file, offset).substr(8).find_first_not_of(" 0") == std::string::npos;
}

// The lines under a heading that start with an offset of eight digits, without the remark after the
// bytes.
inline std::map<std::size_t, std::string> lines_under(const std::string& heading) {
  std::ifstream page(SPRINGG_SOURCE_DIR "/docs/format.md");
  REQUIRE(page.good());
  std::map<std::size_t, std::string> lines;
  constexpr std::size_t kWidth = 9 + kLineBytes * 3;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("#")) inside = line == heading;
    const bool is_line = line.size() >= kWidth && line.find_first_not_of("0123456789abcdef") == 8 &&
                         line.compare(8, 2, "  ") == 0;
    if (inside && is_line) {
      lines[std::stoul(line.substr(0, 8), nullptr, 16)] = line.substr(0, kWidth);
    }
  }
  return lines;
}

// The page has each line of the file but those of zeros, and no other.
inline void check_lines_under(const std::string& heading, const Bytes& file) {
  const auto lines = lines_under(heading);
  CHECK(lines.size() > 10);
  for (const auto& [offset, line] : lines) CHECK(offset < file.size());
  for (std::size_t offset = 0; offset < file.size(); offset += kLineBytes) {
    const auto line = lines.find(offset);
    if (line != lines.end()) {
      CHECK(line->second == line_at(file, offset));
    } else if (!is_zero_line(file, offset)) {
      FAIL_CHECK("the page lacks " << line_at(file, offset));
    }
  }
}

}  // namespace springg::storage
