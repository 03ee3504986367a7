// SPDX-License-Identifier: MIT
#include "engine/merge_policy.h"

#include <random>
#include <vector>

#include "catch.h"

namespace springg::engine {

namespace {

MergeCandidate segment(std::uint64_t live, std::uint64_t deleted = 0) {
  return {live + deleted, live, false, true};
}

std::vector<MergeCandidate> segments(const std::vector<std::uint64_t>& live) {
  std::vector<MergeCandidate> parts;
  for (const std::uint64_t rows : live) parts.push_back(segment(rows));
  return parts;
}

bool picks(const std::vector<MergeCandidate>& parts, std::size_t begin, std::size_t end) {
  const auto range = pick_merge(parts);
  return range.has_value() && range->begin == begin && range->end == end;
}

}  // namespace

TEST_CASE("four neighbors of a size are merged, the fewest rows first") {
  CHECK_FALSE(pick_merge({}).has_value());
  CHECK_FALSE(pick_merge(segments({5, 5, 5})).has_value());
  CHECK(picks(segments({5, 5, 5, 5}), 0, 4));
  CHECK(picks(segments({1000, 5, 5, 5, 5}), 1, 5));
  CHECK(picks(segments({9, 9, 9, 9, 5, 5, 5, 5}), 4, 8));
  CHECK_FALSE(pick_merge(segments({1000, 5, 5, 5})).has_value());
}

TEST_CASE("parts that somebody replaces, and memtables, are left alone") {
  auto parts = segments({5, 5, 5, 5, 5});
  parts[1].free = false;
  CHECK_FALSE(pick_merge(parts).has_value());
  parts.push_back(segment(5));
  CHECK(picks(parts, 2, 6));
}

TEST_CASE("parts between which other rows will come are not merged") {
  auto parts = segments({5, 5, 5, 5});
  parts[2].apart = true;
  CHECK_FALSE(pick_merge(parts).has_value());
  parts.push_back(segment(5));
  parts.push_back(segment(5));
  CHECK(picks(parts, 2, 6));
  auto rewritten = std::vector{segment(100), segment(79, 21)};
  rewritten[1].apart = true;
  CHECK(picks(rewritten, 1, 2));
}

TEST_CASE("a part with more than a fifth deleted, or without its graph, is rewritten") {
  CHECK_FALSE(pick_merge(std::vector{segment(80, 20)}).has_value());
  CHECK(picks({segment(100), segment(79, 21)}, 1, 2));
  auto parts = segments({10, 10});
  parts[0].without_graph = true;
  CHECK(picks(parts, 0, 1));
  parts[0].free = false;
  CHECK_FALSE(pick_merge(parts).has_value());
}

TEST_CASE("however rows come, few segments remain and each row is copied a few times") {
  std::mt19937 random(7);
  for (int run = 0; run < 20; ++run) {
    std::vector<MergeCandidate> parts;
    std::uint64_t total = 0;
    std::uint64_t copied = 0;
    for (int flush = 0; flush < 2000; ++flush) {
      const std::uint64_t rows = 1 + random() % (run % 2 == 0 ? 1000 : 10);
      parts.push_back(segment(rows));
      total += rows;
      while (const auto range = pick_merge(parts)) {
        std::uint64_t merged = 0;
        for (std::size_t i = range->begin; i < range->end; ++i) merged += parts[i].live_rows;
        copied += merged;
        parts[range->begin] = segment(merged);
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(range->begin) + 1,
                    parts.begin() + static_cast<std::ptrdiff_t>(range->end));
      }
      REQUIRE(parts.size() <= 45);
    }
    CHECK(copied <= 11 * total);
  }
}

}  // namespace springg::engine
