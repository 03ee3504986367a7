// SPDX-License-Identifier: MIT
// What does a distance cost? ns a distance of gather, scan and tile, a scan's bandwidth beside that
// of merely reading the same memory, and a tile's floating-point rate. Prints one JSON document;
// the instruction set is SPRINGG_FORCE_ISA's or the best. Numbers are the best of several runs.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "base/buffer.h"
#include "kernels/dispatch.h"

namespace {

using springg::kernels::DistanceFunctions;
using springg::kernels::DistanceTable;

constexpr std::size_t kSetBytes = std::size_t{180} << 20;  // far beyond the last-level cache
constexpr std::size_t kQueries = 240;
constexpr std::size_t kTileRows = 8192;
constexpr int kRuns = 7;

double best_seconds(const std::function<void()>& work) {
  double best = 1e9;
  for (int run = 0; run < kRuns; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count());
  }
  return best;
}

void fill(float* values, std::size_t count) {
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    values[i] = static_cast<float>(state >> 8) * 0x1p-24F - 0.5F;
  }
}

// The bandwidth of one core that only adds words: eight independent streams of additions.
double read_bandwidth(const std::byte* bytes, std::size_t size) {
  std::uint64_t sink = 0;
  const double seconds = best_seconds([&] {
    std::uint64_t sums[8] = {};
    for (std::size_t i = 0; i + 64 <= size; i += 64) {
      std::uint64_t words[8];
      std::memcpy(words, bytes + i, sizeof words);
      for (int k = 0; k < 8; ++k) sums[k] += words[k];
    }
    for (const std::uint64_t sum : sums) sink += sum;
  });
  volatile std::uint64_t keep = sink;
  (void)keep;
  return static_cast<double>(size) / seconds;
}

struct Figures {
  double gather_ns, scan_ns, tile_ns, scan_bytes_per_s, tile_flops;
};

Figures measure(const DistanceFunctions& functions, const std::byte* base, std::size_t row_bytes,
                std::size_t dims, double flops_per_element) {
  const std::size_t rows = kSetBytes / row_bytes;
  std::vector<float> queries(kQueries * dims);
  fill(queries.data(), queries.size());
  std::vector<float> out(std::max(rows, kQueries * kTileRows));
  std::vector<const std::byte*> pointers(rows);
  for (std::size_t r = 0; r < rows; ++r) pointers[r] = base + r * row_bytes;
  std::shuffle(pointers.begin(), pointers.end(), std::mt19937(1));
  Figures figures{};
  const auto per_row = [&](double seconds) { return seconds * 1e9 / static_cast<double>(rows); };
  // A node's neighbors at a time, as graph search asks for them.
  constexpr std::size_t kNeighbors = 32;
  figures.gather_ns = per_row(best_seconds([&] {
    for (std::size_t r = 0; r < rows; r += kNeighbors) {
      functions.gather(queries.data(), pointers.data() + r, std::min(kNeighbors, rows - r), dims,
                       out.data() + r);
    }
  }));
  const double scan_s = best_seconds(
      [&] { functions.scan(queries.data(), base, row_bytes, rows, dims, out.data()); });
  figures.scan_ns = per_row(scan_s);
  figures.scan_bytes_per_s = static_cast<double>(rows * row_bytes) / scan_s;
  const std::size_t tile_rows = std::min(rows, kTileRows);
  const double tile_s = best_seconds([&] {
    functions.tile(queries.data(), dims, kQueries, base, row_bytes, tile_rows, dims, out.data(),
                   tile_rows);
  });
  const auto pairs = static_cast<double>(kQueries * tile_rows);
  figures.tile_ns = tile_s * 1e9 / pairs;
  figures.tile_flops = pairs * static_cast<double>(dims) * flops_per_element / tile_s;
  return figures;
}

}  // namespace

int main() {
  auto memory = springg::base::Buffer::allocate(kSetBytes);
  if (!memory.ok()) return 1;
  std::byte* const base = memory.value().data();
  fill(reinterpret_cast<float*>(base), kSetBytes / sizeof(float));
  const DistanceTable& table = springg::kernels::active_table();
  std::vector<std::uint16_t> halves(1 << 16);
  std::printf("{\n  \"isa\": \"%s\",\n  \"read_gb_per_s\": %.2f,\n  \"figures\": [\n", table.isa,
              read_bandwidth(base, kSetBytes) / 1e9);
  constexpr const char* kNames[] = {"dot", "squared_l2", "manhattan"};
  bool first = true;
  for (const std::size_t dims : {128, 384, 768, 1536}) {
    for (std::size_t m = 0; m < 3; ++m) {
      const Figures f =
          measure(table.float32[m], base, dims * sizeof(float), dims, m == 0 ? 2.0 : 3.0);
      std::printf(
          "%s    {\"measure\": \"%s\", \"rows\": \"float32\", \"dimensions\": %zu, "
          "\"gather_ns\": %.2f, \"scan_ns\": %.2f, \"tile_ns\": %.3f, "
          "\"scan_gb_per_s\": %.2f, \"tile_gflops\": %.1f}",
          first ? "" : ",\n", kNames[m], dims, f.gather_ns, f.scan_ns, f.tile_ns,
          f.scan_bytes_per_s / 1e9, f.tile_flops / 1e9);
      first = false;
    }
  }
  std::vector<float> floats(halves.size());
  fill(floats.data(), floats.size());
  table.float_to_half(floats.data(), floats.size(), halves.data());
  const std::size_t half_bytes = halves.size() * sizeof(std::uint16_t);
  for (std::size_t i = 0; i < kSetBytes; i += half_bytes) {
    std::memcpy(base + i, halves.data(), std::min(half_bytes, kSetBytes - i));
  }
  for (const std::size_t dims : {128, 384, 768, 1536}) {
    const Figures f = measure(table.float16[0], base, dims * sizeof(std::uint16_t), dims, 2.0);
    std::printf(
        ",\n    {\"measure\": \"dot\", \"rows\": \"float16\", \"dimensions\": %zu, "
        "\"gather_ns\": %.2f, \"scan_ns\": %.2f, \"tile_ns\": %.3f, "
        "\"scan_gb_per_s\": %.2f, \"tile_gflops\": %.1f}",
        dims, f.gather_ns, f.scan_ns, f.tile_ns, f.scan_bytes_per_s / 1e9, f.tile_flops / 1e9);
  }
  std::printf("\n  ]\n}\n");
  return 0;
}
