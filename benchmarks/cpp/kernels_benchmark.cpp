// SPDX-License-Identifier: MIT
// What does a distance cost? ns a distance of gather, scan and tile, a scan's bandwidth as a part
// of that of merely reading the same memory (least, median, greatest), and a tile's floating-point
// rate. Prints one JSON document;
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

constexpr std::size_t kSetBytes = std::size_t{1} << 30;  // beyond the last-level cache
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

// One pass over the memory in `Streams` interleaved walks of whole cache lines, each asking for the
// line `kAhead` bytes further on: what the core reads when nothing but the memory holds it up.
template <std::size_t Streams>
std::uint64_t add_all(const std::byte* bytes, std::size_t size) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kAhead = 1024;
  constexpr std::size_t kWords = kLine / sizeof(std::uint64_t);
  const std::size_t stride = size / Streams / kLine * kLine;
  std::uint64_t sums[kWords] = {};
  for (std::size_t i = 0; i < stride; i += kLine) {
    for (std::size_t s = 0; s < Streams; ++s) {
      const std::byte* const line = bytes + s * stride + i;
      __builtin_prefetch(line + kAhead);
      std::uint64_t words[kWords];
      std::memcpy(words, line, sizeof words);
      for (std::size_t k = 0; k < kWords; ++k) sums[k] += words[k];
    }
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t part : sums) sum += part;
  return sum;
}

using AddAll = std::uint64_t (*)(const std::byte*, std::size_t);

double pass_seconds(AddAll add, const std::byte* bytes, std::size_t size) {
  volatile std::uint64_t keep = 0;
  return best_seconds([&] { keep = add(bytes, size); });
}

// The probe of the core's read bandwidth. How many streams a core reads fastest differs from core
// to core: the best is taken.
AddAll fastest_read(const std::byte* bytes, std::size_t size) {
  constexpr AddAll kReads[] = {add_all<1>, add_all<2>, add_all<4>, add_all<8>, add_all<16>};
  return *std::min_element(std::begin(kReads), std::end(kReads), [&](AddAll a, AddAll b) {
    return pass_seconds(a, bytes, size) < pass_seconds(b, bytes, size);
  });
}

// The scan's bandwidth as a part of the probe's, in pairs one after the other: other users of a
// shared memory then slow both.
struct ReadShare {
  double least, median, greatest;
};

ReadShare read_share(AddAll probe, const std::byte* base, std::size_t row_bytes,
                     const std::function<void(std::size_t rows)>& scan) {
  constexpr std::size_t kPairs = 15;
  const std::size_t rows = kSetBytes / row_bytes;
  std::vector<double> shares;
  const auto seconds = [](const auto& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  volatile std::uint64_t keep = 0;
  for (std::size_t pair = 0; pair < kPairs; ++pair) {
    const double probe_s = seconds([&] { keep = probe(base, rows * row_bytes); });
    shares.push_back(probe_s / seconds([&] { scan(rows); }));
  }
  std::sort(shares.begin(), shares.end());
  return {shares.front(), shares[kPairs / 2], shares.back()};
}

struct Figures {
  double gather_ns, scan_ns, tile_ns, tile_flops;
  ReadShare read_share;
};

Figures measure(AddAll probe, const DistanceFunctions& functions, const std::byte* base,
                std::size_t row_bytes, std::size_t dims, double flops_per_element) {
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
  const auto scan = [&](std::size_t count) {
    functions.scan(queries.data(), base, row_bytes, count, dims, out.data());
  };
  figures.scan_ns = per_row(best_seconds([&] { scan(rows); }));
  figures.read_share = read_share(probe, base, row_bytes, scan);
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

void print(const char* measure_name, const char* rows, std::size_t dims, std::size_t row_bytes,
           const Figures& f, bool first) {
  std::printf(
      "%s    {\"measure\": \"%s\", \"rows\": \"%s\", \"dimensions\": %zu, "
      "\"gather_ns\": %.2f, \"scan_ns\": %.2f, \"tile_ns\": %.3f, \"tile_gflops\": %.1f, "
      "\"scan_gb_per_s\": %.2f, \"scan_part_of_read\": [%.3f, %.3f, %.3f]}",
      first ? "" : ",\n", measure_name, rows, dims, f.gather_ns, f.scan_ns, f.tile_ns,
      f.tile_flops / 1e9, static_cast<double>(row_bytes) / f.scan_ns, f.read_share.least,
      f.read_share.median, f.read_share.greatest);
}

}  // namespace

int main() {
  auto memory = springg::base::Buffer::allocate(kSetBytes);
  if (!memory.ok()) return 1;
  std::byte* const base = memory.value().data();
  fill(reinterpret_cast<float*>(base), kSetBytes / sizeof(float));
  const DistanceTable& table = springg::kernels::active_table();
  const AddAll probe = fastest_read(base, kSetBytes);
  std::printf("{\n  \"isa\": \"%s\",\n  \"read_gb_per_s\": %.2f,\n  \"figures\": [\n", table.isa,
              static_cast<double>(kSetBytes) / pass_seconds(probe, base, kSetBytes) / 1e9);
  constexpr const char* kNames[] = {"dot", "squared_l2", "manhattan"};
  bool first = true;
  for (const std::size_t dims : {128U, 384U, 768U, 1536U}) {
    for (std::size_t m = 0; m < 3; ++m) {
      const std::size_t bytes = dims * sizeof(float);
      const double flops = m == 0 ? 2.0 : 3.0;
      print(kNames[m], "float32", dims, bytes,
            measure(probe, table.float32[m], base, bytes, dims, flops), first);
      first = false;
    }
  }
  std::vector<std::uint16_t> halves(1 << 16);
  std::vector<float> floats(halves.size());
  fill(floats.data(), floats.size());
  table.float_to_half(floats.data(), floats.size(), halves.data());
  const std::size_t half_bytes = halves.size() * sizeof(std::uint16_t);
  for (std::size_t i = 0; i < kSetBytes; i += half_bytes) {
    std::memcpy(base + i, halves.data(), std::min(half_bytes, kSetBytes - i));
  }
  for (const std::size_t dims : {128U, 384U, 768U, 1536U}) {
    const std::size_t bytes = dims * sizeof(std::uint16_t);
    print("dot", "float16", dims, bytes, measure(probe, table.float16[0], base, bytes, dims, 2.0),
          false);
  }
  std::printf("\n  ]\n}\n");
  return 0;
}
