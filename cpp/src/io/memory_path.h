// SPDX-License-Identifier: MIT
// Paths of the file systems in memory, as keys: one spelling for one place.
#pragma once

#include <filesystem>
#include <string>

namespace springg::io {

inline std::string normal_path(const std::string& path) {
  std::string text = std::filesystem::path(path).lexically_normal().string();
  if (text.size() > 1 && text.back() == '/') text.pop_back();
  return text.empty() ? "." : text;
}

// Of a normal path; "." is the parent of a name alone.
inline std::string parent_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

inline std::string last_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace springg::io
