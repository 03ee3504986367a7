// SPDX-License-Identifier: MIT
#include "ann/code_scan.h"

#include <algorithm>

#include "ann/flat.h"
#include "ann/test_rows.h"
#include "base/buffer.h"
#include "catch.h"
#include "quant/encoder.h"

using namespace springg;
using namespace springg::ann;
using springg::ann::test::Matrix;
using springg::ann::test::StoredRows;

namespace {

constexpr std::uint32_t kRows = 3000;
constexpr std::uint32_t kDimensions = 40;

struct Coded {
  base::Buffer bytes;
  quant::Codes codes;

  Coded(const StoredRows& stored, quant::CodeKind kind) {
    const Space& space = stored.space();
    bytes = std::move(
                base::Buffer::allocate(quant::codes_bytes(kind, space.metric, kDimensions, kRows)))
                .value();
    const quant::Encoder encoder(
        {space.metric, space.dtype, kDimensions, kRows, space.vectors, space.inverse_norms}, kind,
        bytes.span());
    REQUIRE(encoder.encode(0, kRows));
    codes = quant::open_codes(bytes.span(), space.metric, kDimensions, kRows).value();
  }
};

std::vector<Neighbor> exactly(const StoredRows& stored, const float* query,
                              const base::RowMask& wanted, std::uint32_t begin, std::uint32_t end,
                              std::size_t k) {
  TopK top(k);
  scan_matching(stored.space(), Query(stored.space(), query), wanted, begin, end, top);
  return top.take_sorted();
}

}  // namespace

TEST_CASE("a scan on codes finds what a scan of the vectors finds, with its distances") {
  const auto metric = GENERATE(Metric::kCosine, Metric::kDot, Metric::kL2);
  const auto dtype = GENERATE(ScalarType::kFloat32, ScalarType::kFloat16);
  const StoredRows stored(test::clustered(kRows, kDimensions, 20, 1), metric, dtype);
  const auto kind =
      GENERATE(quant::CodeKind::kByte, quant::CodeKind::kHalfByte, quant::CodeKind::kBit);
  const Coded coded(stored, kind);
  const Matrix queries = test::clustered(40, kDimensions, 20, 2);
  base::RowMask wanted(kRows);
  for (std::uint32_t row = 1; row < kRows; row += 3) wanted.insert(row);
  std::size_t found = 0;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    const Query query(stored.space(), queries.row(q));
    const GraphAnswer answer =
        scan_codes(stored.space(), query, coded.codes, wanted, 300, 2900, 10, 0);
    const auto all = exactly(stored, queries.row(q), wanted, 300, 2900, kRows);
    REQUIRE(answer.neighbors.size() == 10);
    CHECK(test::is_sorted(answer.neighbors));
    for (const Neighbor& neighbor : answer.neighbors) {
      const auto place = std::find(all.begin(), all.end(), neighbor);  // rank and row
      REQUIRE(place != all.end());
      found += place - all.begin() < 10 ? 1U : 0U;
    }
    // Those that are ranked exactly are 10 at least, and no more than the pool has.
    CHECK(answer.distances_computed >= all.size() + 10);
    CHECK(answer.distances_computed <= all.size() + 8 * 10 + 64);
  }
  CHECK(found >= 396);  // of 400
}

TEST_CASE("a scan on codes ranks as many rows on their vectors as it is told to") {
  const StoredRows stored(test::clustered(kRows, kDimensions, 20, 1), Metric::kL2,
                          ScalarType::kFloat32);
  const Coded coded(stored, quant::CodeKind::kHalfByte);
  const Matrix queries = test::clustered(1, kDimensions, 20, 2);
  base::RowMask wanted(kRows);
  for (std::uint32_t row = 0; row < kRows; ++row) wanted.insert(row);
  const auto ranked = [&](std::size_t rerank) {
    return scan_codes(stored.space(), Query(stored.space(), queries.row(0)), coded.codes, wanted, 0,
                      kRows, 10, rerank)
               .distances_computed -
           kRows;
  };
  const std::uint64_t adaptive = ranked(0);
  CHECK(adaptive < 100);
  CHECK(ranked(5) == adaptive);  // never fewer than k
  CHECK(ranked(100) == 100);
  CHECK(ranked(1000) == 1000);  // beyond what it keeps by itself
  CHECK(ranked(2 * kRows) == kRows);
}

TEST_CASE("fewer rows than k are all found on codes, and a query beyond them is measured exactly") {
  const StoredRows stored(test::clustered(kRows, kDimensions, 20, 1), Metric::kL2,
                          ScalarType::kFloat32);
  const Coded coded(stored, quant::CodeKind::kByte);
  Matrix queries = test::clustered(1, kDimensions, 20, 2);
  base::RowMask wanted(kRows);
  for (const std::uint32_t row : {5U, 700U, 2999U}) wanted.insert(row);
  const auto ask = [&](std::size_t k) {
    return scan_codes(stored.space(), Query(stored.space(), queries.row(0)), coded.codes, wanted, 0,
                      kRows, k, 0)
        .neighbors;
  };
  CHECK(ask(10) == exactly(stored, queries.row(0), wanted, 0, kRows, 10));
  CHECK(ask(10).size() == 3);
  for (std::size_t d = 0; d < kDimensions; ++d) queries.row(0)[d] *= 1e17F;
  CHECK(ask(2) == exactly(stored, queries.row(0), wanted, 0, kRows, 2));
}
