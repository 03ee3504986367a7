// SPDX-License-Identifier: MIT
// What a state costs: hidden, for `io_test "[speed]"`, since it says how fast and not whether.
#include <cstdio>
#include <ctime>

#include "crash_disk.h"

namespace springg::io::test {

TEST_CASE("states of a database of 300 kB in a second", "[.][speed]") {
  FaultFileSystem files;
  make_durable_file(files, "/segment", std::string(250'000, 's'));
  for (int i = 0; i < 8; ++i) {
    make_durable_file(files, std::string("/small").append(std::to_string(i)),
                      std::string(5'000, 'd'));
  }
  const auto log = make_durable_file(files, "/log", std::string(1 << 20, '\0'));
  for (std::uint64_t i = 0; i < 150; ++i) {
    require_ok(log->write_at(i * 600, bytes_of(std::string(600, 'f'))));
    if (i % 4 == 3) require_ok(log->sync());
  }
  const History history = files.history();
  const auto measure = [&](const char* what, auto make) {
    const std::clock_t start = std::clock();  // of the processor: others may use it, too
    std::uint64_t states = 0, bytes = 0;
    for (int round = 0; round < 50; ++round) {
      for (std::uint64_t at = 40; at <= history.end(); ++at) bytes += make(at, ++states);
    }
    const double took = 1e6 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::printf("%s: %.1f us a state (%llu)\n", what, took / static_cast<double>(states),
                static_cast<unsigned long long>(bytes));
    CHECK(states > 5'000);
  };
  measure("point and disk", [&](std::uint64_t at, std::uint64_t seed) {
    const CrashPoint point = history.at(at);
    return point.power_cut(point.random(seed))->operations();
  });
  measure("point, disk and mapping of all", [&](std::uint64_t at, std::uint64_t seed) {
    const CrashPoint point = history.at(at);
    const auto disk = point.power_cut(point.random(seed));
    std::uint64_t bytes = 0;
    for (const std::string& name : require_value(disk->list("/"))) {
      bytes += require_value(disk->map("/" + name))->bytes().size();
    }
    return bytes;
  });
  measure("process crash", [&](std::uint64_t at, std::uint64_t) {
    return history.at(at).process_crash()->operations();
  });
}

}  // namespace springg::io::test
