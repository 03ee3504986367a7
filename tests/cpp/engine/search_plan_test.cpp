// SPDX-License-Identifier: MIT
#include "engine/search_plan.h"

#include "engine/search.h"
#include "engine/support.h"

namespace springg::test {

namespace {

using engine::PartPath;
using engine::PartPlan;

// Rows that have a width and a graph, and nothing else: a plan asks for no more.
class PlannedPart final : public engine::Part {
 public:
  PlannedPart(std::uint32_t covered, std::size_t vector_bytes, std::size_t walked_bytes)
      : covered_(covered), walked_bytes_(walked_bytes) {
    space_.vectors.stride = vector_bytes;
  }
  ann::Space space() const noexcept override { return space_; }
  IdView id(std::uint32_t) const noexcept override { return {}; }
  std::uint64_t sequence(std::uint32_t row) const noexcept override { return row; }
  bool has_metadata(std::uint32_t) const noexcept override { return false; }
  std::string_view metadata(std::uint32_t) const noexcept override { return {}; }
  std::optional<std::uint32_t> find(const IdView&, std::uint32_t) const override { return {}; }
  std::uint32_t covered() const noexcept override { return covered_; }
  ann::GraphAnswer graph_search(const ann::Query&, const ann::GraphQuery&) const override {
    return {};
  }
  std::size_t walked_row_bytes() const noexcept override { return walked_bytes_; }
  engine::PartBytes bytes() const override { return {}; }

 private:
  ann::Space space_;
  std::uint32_t covered_;
  std::size_t walked_bytes_;
};

constexpr std::uint32_t kRows = 100'000;

struct Planned {
  std::uint32_t rows = kRows;
  std::uint32_t covered = kRows;
  std::size_t walked_bytes = 1536;
  std::size_t queries = 1;
  std::size_t ef = 64;
  FilteredWalk walk = FilteredWalk::kChosen;

  // The plan where one row in `step` matches.
  PartPlan every(std::uint32_t step) const {
    engine::PartView part;
    part.part = std::make_shared<PlannedPart>(covered, 1536, walked_bytes);
    part.rows = rows;
    const auto view = engine::make_view({part}, rows);
    engine::MatchSet matches;
    base::RowMask& mask = matches.parts.emplace_back(rows);
    for (std::uint32_t row = 0; row < rows; row += step) mask.insert(row);
    matches.rows = mask.size();
    return engine::plan_parts(*view, matches, {.k = 10, .ef = ef, .queries = queries, .walk = walk})
        .front();
  }
};

}  // namespace

TEST_CASE("few matches are scanned, many are walked to") {
  CHECK(Planned().every(1000).path == PartPath::kScan);
  CHECK(Planned().every(100).path == PartPath::kScan);
  for (const std::uint32_t step : {10U, 2U, 1U}) {
    const PartPlan plan = Planned().every(step);
    CHECK(plan.path == PartPath::kTwoHop);
    CHECK(plan.seeds.size() == 32);
    for (const std::uint32_t seed : plan.seeds) CHECK(seed % step == 0);
  }
}

TEST_CASE("a wider walk, and codes, leave more to the scan") {
  CHECK(Planned().every(30).path == PartPath::kTwoHop);
  CHECK(Planned{.ef = 1000}.every(30).path == PartPath::kScan);
  const double wide = Planned{.ef = 200}.every(2).pass_rate_min;
  CHECK(wide >= Planned{.ef = 64}.every(2).pass_rate_min);
  // A row's links take as long to look through, a row on codes is measured sooner.
  CHECK(Planned{.walked_bytes = 448}.every(20).pass_rate_min >
        Planned{.walked_bytes = 1536}.every(20).pass_rate_min);
}

TEST_CASE("the fewer rows match, the sooner a walk gives up") {
  double last = 1;
  for (const std::uint32_t step : {30U, 10U, 5U, 2U, 1U}) {
    const double rate = Planned().every(step).pass_rate_min;
    CHECK(rate <= last);
    CHECK(rate > 0);
    last = rate;
  }
}

TEST_CASE("matches far from the query are walked to only where a scan takes much longer") {
  CHECK_FALSE(Planned().every(40).walks_far);
  CHECK(Planned().every(40).path == PartPath::kTwoHop);
  CHECK(Planned().every(5).walks_far);
}

TEST_CASE("a batch is scanned where one query would walk") {
  CHECK(Planned{.queries = 1}.every(20).path == PartPath::kTwoHop);
  CHECK(Planned{.queries = 1000}.every(20).path == PartPath::kScan);
  CHECK(Planned{.queries = 1000}.every(1).path == PartPath::kTwoHop);
}

TEST_CASE("without a graph there is no walk, whatever is asked for") {
  for (const FilteredWalk walk :
       {FilteredWalk::kChosen, FilteredWalk::kTwoHop, FilteredWalk::kPlain}) {
    CHECK(Planned{.covered = 0, .walk = walk}.every(1).path == PartPath::kScan);
    CHECK(Planned{.rows = 250, .covered = 250, .walk = walk}.every(1).path == PartPath::kScan);
  }
  CHECK(Planned{.walk = FilteredWalk::kTwoHop}.every(1000).path == PartPath::kTwoHop);
  CHECK(Planned{.walk = FilteredWalk::kPlain}.every(1000).path == PartPath::kPlain);
}

}  // namespace springg::test
