// SPDX-License-Identifier: MIT
// tests/data/recall_floors.toml: [section] and `key = number` lines, comments, nothing else.
#pragma once

#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

namespace springg::ann::test {

using Floors = std::map<std::string, std::map<std::string, double>>;

inline Floors read_floors() {
  const std::string path = std::string(SPRINGG_SOURCE_DIR) + "/tests/data/recall_floors.toml";
  std::ifstream file(path);
  if (!file) throw std::runtime_error("no file " + path);
  Floors floors;
  std::string section;
  for (std::string line; std::getline(file, line);) {
    line = line.substr(0, line.find('#'));
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos) continue;
    if (line[first] == '[') {
      section = line.substr(first + 1, line.find(']') - first - 1);
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) throw std::runtime_error("not key = number: " + line);
    const std::size_t last = line.find_last_not_of(" \t", equals - 1);
    const std::string key = line.substr(first, last - first + 1);
    floors[section][key] = std::stod(line.substr(equals + 1));
  }
  return floors;
}

}  // namespace springg::ann::test
