// SPDX-License-Identifier: MIT
#include "engine/merge_policy.h"

#include <random>
#include <vector>

#include "catch.h"
#include "springg/options.h"

namespace springg::engine {

namespace {

MergeCandidate segment(std::uint64_t live, std::uint64_t deleted = 0) {
  return {live + deleted, live, false, true, false, false};
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

constexpr std::uint64_t kRowsMin = 4096;  // of an index that is put in order at rest

}  // namespace

TEST_CASE("a part is merged with those behind it that have half of its rows") {
  CHECK_FALSE(pick_merge({}).has_value());
  CHECK_FALSE(pick_merge(segments({5})).has_value());
  CHECK_FALSE(pick_merge(segments({1000, 499})).has_value());
  CHECK(picks(segments({1000, 500}), 0, 2));
  CHECK(picks(segments({1000, 300, 100, 100}), 0, 4));
  CHECK(picks(segments({1000, 100, 60}), 1, 3));
  CHECK(picks(segments({5, 5, 5}), 0, 3));
}

TEST_CASE("parts before larger ones are merged in fours and more, the fewest rows first") {
  CHECK_FALSE(pick_merge(segments({5, 6})).has_value());
  CHECK_FALSE(pick_merge(segments({5, 6, 7})).has_value());
  CHECK(picks(segments({5, 6, 7, 8}), 0, 4));
  CHECK_FALSE(pick_merge(segments({5, 6, 7, 800})).has_value());
  CHECK(picks(segments({90, 91, 92, 93, 5, 6, 7, 8}), 4, 8));
}

TEST_CASE("parts that somebody replaces, and memtables, are left alone") {
  auto parts = segments({50, 5, 5, 5, 5, 5});
  parts[1].free = false;
  CHECK(picks(parts, 2, 6));
  parts[0] = segment(79, 21);
  CHECK(picks(parts, 0, 1));
  parts[0].free = false;
  parts[3].free = false;
  parts[5].free = false;
  CHECK_FALSE(pick_merge(parts).has_value());
}

TEST_CASE("parts between which other rows will come are not merged") {
  auto parts = segments({5, 5, 5, 5});
  parts[1].apart = true;
  parts[3].apart = true;
  CHECK(picks(parts, 1, 3));
  parts[2].apart = true;
  CHECK_FALSE(pick_merge(parts).has_value());
  auto rewritten = std::vector{segment(100), segment(79, 21)};
  rewritten[1].apart = true;
  CHECK(picks(rewritten, 1, 2));
}

TEST_CASE("a part with more than a fifth deleted, or without its graph, is rewritten") {
  CHECK_FALSE(pick_merge(std::vector{segment(80, 20)}).has_value());
  CHECK(picks({segment(1000), segment(79, 21)}, 1, 2));
  CHECK(picks({segment(790, 210), segment(5), segment(3)}, 0, 3));  // with what is behind it
  CHECK(picks({segment(790, 210), segment(800)}, 0, 1));
  auto parts = segments({10, 1});
  parts[0].without_graph = true;
  CHECK(picks(parts, 0, 2));
  parts[0].free = false;
  CHECK_FALSE(pick_merge(parts).has_value());
}

TEST_CASE(
    "however rows come, few segments remain and each row is inserted and taken over a few times") {
  std::mt19937 random(7);
  for (int run = 0; run < 20; ++run) {
    std::vector<MergeCandidate> parts;
    std::uint64_t total = 0;
    std::uint64_t inserted = 0;
    std::uint64_t taken_over = 0;
    for (int flush = 0; flush < 2000; ++flush) {
      const std::uint64_t rows = 1 + random() % (run % 2 == 0 ? 1000 : 10);
      parts.push_back(segment(rows));
      total += rows;
      while (const auto range = pick_merge(parts)) {
        std::uint64_t merged = 0;
        for (std::size_t i = range->begin; i < range->end; ++i) merged += parts[i].live_rows;
        inserted += merged - parts[range->begin].live_rows;
        taken_over += parts[range->begin].live_rows;
        parts[range->begin] = segment(merged);
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(range->begin) + 1,
                    parts.begin() + static_cast<std::ptrdiff_t>(range->end));
      }
      REQUIRE(parts.size() <= 15);
    }
    CHECK(inserted <= 4 * total);
    CHECK(taken_over <= 6 * total);
  }
}

TEST_CASE("an index is spread when a tenth of its rows is outside the largest segment or deleted") {
  CHECK_FALSE(is_spread({}, kRowsMin));
  CHECK_FALSE(is_spread(segments({90'000, 10'000}), kRowsMin));
  CHECK(is_spread(segments({90'000, 10'001}), kRowsMin));
  CHECK(is_spread(segments({10'001, 90'000}), kRowsMin));
  CHECK(is_spread(std::vector{segment(90'000, 5'000), segment(4'500)}, kRowsMin));
  CHECK_FALSE(is_spread(std::vector{segment(90'000, 9'000)}, kRowsMin));
  CHECK(is_spread(std::vector{segment(90'000, 9'001)}, kRowsMin));
  CHECK_FALSE(is_spread(segments({2'000, 2'000}), kRowsMin));
  CHECK_FALSE(is_spread(std::vector{segment(0, 90'000)}, kRowsMin));
  std::vector parts = segments({5'000});
  CHECK_FALSE(is_spread(parts, kRowsMin));
  parts[0].memtable = true;
  CHECK(is_spread(parts, kRowsMin));
}

TEST_CASE("at rest all parts become one, once nobody holds any of them") {
  const auto picked = [](const std::vector<MergeCandidate>& parts, std::size_t begin,
                         std::size_t end) {
    const auto range = pick_merge_at_rest(parts, kRowsMin);
    return range.has_value() && range->begin == begin && range->end == end;
  };
  auto parts = segments({10, 90'000, 5, 7});
  CHECK(picked(parts, 0, 4));
  parts[2].free = false;
  CHECK_FALSE(pick_merge_at_rest(parts, kRowsMin).has_value());
  parts[2].free = true;
  parts[1].apart = true;
  CHECK(picked(parts, 1, 4));
  const std::uint64_t most = limits::kSegmentRowsMax;
  CHECK(picked(segments({most - 5, 6, 7}), 1, 3));
  CHECK_FALSE(pick_merge_at_rest(segments({most, most}), kRowsMin).has_value());
  CHECK(picked(std::vector{segment(most - 20'000), segment(90'000, 10'000)}, 1, 2));
  CHECK_FALSE(pick_merge_at_rest({}, kRowsMin).has_value());
}

}  // namespace springg::engine
