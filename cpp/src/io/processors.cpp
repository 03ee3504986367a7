// SPDX-License-Identifier: MIT
#include "io/processors.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include "springg/cpu.h"

namespace springg::io {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The number at the start of `text`; nothing for "max", -1 and what is no number.
std::optional<double> positive_number(std::string_view text) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value <= 0) return std::nullopt;
  return static_cast<double>(value);
}

// The smaller of two limits where 0 means none.
unsigned tighter(unsigned a, unsigned b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

unsigned processors_of_quota(std::string_view quota, std::string_view period) {
  const std::optional<double> quota_us = positive_number(quota);
  const std::optional<double> period_us = positive_number(period);
  if (!quota_us || !period_us) return 0;
  const double processors = *quota_us / *period_us;
  constexpr double kMost = 1 << 20;
  if (processors >= kMost) return 0;
  const auto whole = static_cast<unsigned>(processors);
  return static_cast<double>(whole) < processors ? whole + 1 : whole;
}

unsigned quota_of_directory(const std::string& directory) {
  const std::string v2 = read_text(directory + "/cpu.max");  // "quota period" or "max period"
  const std::size_t space = v2.find(' ');
  if (space != std::string::npos) {
    return processors_of_quota(v2, std::string_view(v2).substr(space + 1));
  }
  return processors_of_quota(read_text(directory + "/cpu.cfs_quota_us"),
                             read_text(directory + "/cpu.cfs_period_us"));
}

// The limits of `path` and of every group above it.
unsigned quota_of_path(const std::string& root, std::string_view path) {
  unsigned limit = quota_of_directory(root);
  for (std::size_t end = path.find('/', 1); path.size() > 1; end = path.find('/', end + 1)) {
    limit = tighter(limit, quota_of_directory(root + std::string(path.substr(0, end))));
    if (end == std::string_view::npos) break;
  }
  return limit;
}

bool lists_controller(std::string_view controllers, std::string_view name) {
  while (!controllers.empty()) {
    const std::size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == name) return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

unsigned processors_of_affinity() {
#if defined(__linux__)
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
#endif
  return std::thread::hardware_concurrency();
}

}  // namespace

unsigned processors_of_cgroup(const std::string& root, std::string_view membership) {
  unsigned limit = 0;
  while (!membership.empty()) {
    // A line is id:controllers:path, with no controllers for version 2.
    const std::size_t length = std::min(membership.find('\n'), membership.size());
    const std::string_view line = membership.substr(0, length);
    membership.remove_prefix(std::min(length + 1, membership.size()));
    const std::size_t first = line.find(':');
    const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view path = line.substr(second + 1);
    if (controllers.empty()) {
      limit = tighter(limit, quota_of_path(root, path));
    } else if (lists_controller(controllers, "cpu")) {
      limit = tighter(limit, quota_of_path(root + "/cpu", path));
    }
  }
  return limit;
}

}  // namespace springg::io

namespace springg {

unsigned usable_processors() {
  const unsigned quota =
      io::processors_of_cgroup("/sys/fs/cgroup", io::read_text("/proc/self/cgroup"));
  return std::max(1U, io::tighter(io::processors_of_affinity(), quota));
}

}  // namespace springg
