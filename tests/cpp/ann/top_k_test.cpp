// SPDX-License-Identifier: MIT
#include "ann/top_k.h"

#include <algorithm>
#include <limits>

#include "ann/test_rows.h"
#include "catch.h"

using namespace springg::ann;

TEST_CASE("the k nearest of any order of offers are those of a full sort") {
  test::Random random(11);
  for (int round = 0; round < 300; ++round) {
    const std::size_t k = 1 + random.below(20);
    const std::size_t n = random.below(60);
    std::vector<Neighbor> offered;
    for (std::uint32_t row = 0; row < n; ++row) {
      offered.push_back({static_cast<float>(random.below(8)), row});  // many ties
    }
    for (std::size_t i = n; i > 1; --i) {
      std::swap(offered[i - 1], offered[random.below(static_cast<std::uint32_t>(i))]);
    }
    TopK top(k);
    for (const Neighbor& neighbor : offered) top.offer(neighbor);
    CHECK(top.full() == (n >= k));
    std::sort(offered.begin(), offered.end(), nearer);
    offered.resize(std::min(k, n));
    if (offered.size() == k) CHECK(top.worst() == offered.back().rank);
    CHECK(top.take_sorted() == offered);
  }
}

TEST_CASE("a top that is not full lets everything in") {
  TopK top(2);
  CHECK(top.worst() == std::numeric_limits<float>::infinity());
  top.offer({std::numeric_limits<float>::infinity(), 5});
  CHECK_FALSE(top.full());
  top.offer({1.0F, 9});
  CHECK(top.full());
  const std::vector<Neighbor> sorted = top.take_sorted();
  CHECK(sorted.front() == Neighbor{1.0F, 9});
  CHECK(sorted.back().row == 5);
}
