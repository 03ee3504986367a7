// SPDX-License-Identifier: MIT
#include "ann/calibration.h"

#include <optional>

#include "ann/hnsw.h"
#include "ann/test_graph.h"
#include "base/buffer.h"
#include "quant/encoder.h"
#include "springg/options.h"

using namespace springg;
using namespace springg::ann;
using namespace springg::ann::test;

namespace {

constexpr std::size_t kRows = 4000;

// A sealed graph, with codes when it is to have some.
struct Sealed {
  Sealed(const Matrix& rows, Metric metric, std::optional<quant::CodeKind> kind)
      : stored(rows, metric, ScalarType::kFloat32) {
    image = image_of(*build(stored, {16, 100, 1}));
    graph = std::move(SealedGraph::open(image.span(), stored.rows())).value();
    if (!kind.has_value()) return;
    const Space space = stored.space();
    bytes = std::move(base::Buffer::allocate(
                          quant::codes_bytes(*kind, metric, space.dimensions, stored.rows())))
                .value();
    const quant::Encoder encoder(
        {metric, space.dtype, space.dimensions, stored.rows(), space.vectors, space.inverse_norms},
        *kind, bytes.span());
    REQUIRE(encoder.encode(0, stored.rows()));
    codes = quant::open_codes(bytes.span(), metric, space.dimensions, stored.rows());
    REQUIRE(codes.has_value());
  }

  Calibration calibrate(unsigned threads = 2) const {
    TestExecutor executor(threads);
    return Calibration::measure(graph, stored.space(), codes.has_value() ? &*codes : nullptr,
                                executor);
  }
  // Of the 10 nearest; by distance when the calibration says how far.
  double recall(const Matrix& queries, std::size_t ef, float stretch,
                std::uint64_t* distances = nullptr) const {
    std::size_t hits = 0;
    for (std::size_t q = 0; q < queries.rows; ++q) {
      const double kth = stored.kth_distance(queries.row(q), 10, {});
      const Query query(stored.space(), queries.row(q));
      GraphQuery request;
      request.ef = ef;
      request.stretch = stretch;
      const GraphAnswer found = codes.has_value()
                                    ? graph.search(stored.space(), query, *codes, request)
                                    : graph.search(stored.space(), query, request);
      if (distances != nullptr) *distances += found.distances_computed;
      for (const Neighbor& neighbor : found.neighbors) {
        const double distance = stored.distance(queries.row(q), neighbor.row);
        hits += distance <= kth + 1e-3 * std::abs(kth) ? 1U : 0U;
      }
    }
    return static_cast<double>(hits) / static_cast<double>(10 * queries.rows);
  }

  StoredRows stored;
  Image image;
  SealedGraph graph;
  base::Buffer bytes;
  std::optional<quant::Codes> codes;
};

constexpr std::optional<quant::CodeKind> kKinds[] = {std::nullopt, quant::CodeKind::kByte,
                                                     quant::CodeKind::kHalfByte};

}  // namespace

TEST_CASE("queries that were not rows find what the calibration says they will") {
  for (const auto kind : kKinds) {
    for (const Metric metric : {Metric::kCosine, Metric::kL2, Metric::kDot}) {
      for (const std::size_t clusters : {0U, 40U}) {
        const Sealed sealed(clustered(kRows, 32, clusters, 1), metric, kind);
        const Calibration calibration = sealed.calibrate();
        const Matrix queries = clustered(200, 32, clusters, 2);
        std::size_t before = 0;
        for (const float target : Calibration::kRecalls) {
          const std::size_t ef = calibration.ef_for(target, 10);
          CAPTURE(to_string(metric), clusters, target, ef, kind.has_value());
          CHECK(ef >= before);
          // A dot product has no nearest neighborhood to walk to.
          if (metric != Metric::kDot) CHECK(calibration.measured_recall(target) >= target);
          CHECK(sealed.recall(queries, ef, calibration.stretch_for(ef, 10)) >=
                double{target} - 0.03);
          before = ef;
        }
        CHECK(before <= 512);
      }
    }
  }
}

TEST_CASE("ending by distance finds as much as ending by ef, with no more distances") {
  for (const auto kind : kKinds) {
    const Sealed sealed(clustered(kRows, 32, 40, 1), Metric::kL2, kind);
    const Calibration calibration = sealed.calibrate();
    const Matrix queries = clustered(300, 32, 40, 2);
    double narrower = 0;
    for (const std::size_t ef : {12U, 20U, 40U, 100U, 300U}) {
      const float stretch = calibration.stretch_for(ef, 10);
      CAPTURE(ef, stretch, kind.has_value());
      REQUIRE(stretch >= 1);
      std::uint64_t by_ef = 0;
      std::uint64_t by_distance = 0;
      const double plain = sealed.recall(queries, ef, 0, &by_ef);
      const double stretched = sealed.recall(queries, ef, stretch, &by_distance);
      CHECK(stretched >= plain - 0.02);
      CHECK(static_cast<double>(by_distance) <= 1.5 * static_cast<double>(by_ef));
      CHECK(stretched >= narrower - 0.001);
      narrower = stretched;
    }
    CHECK(narrower >= 0.99);
  }
}

TEST_CASE("a calibration does not depend on the threads, and comes back from its bytes") {
  const Sealed sealed(clustered(kRows, 32, 40, 1), Metric::kCosine, quant::CodeKind::kHalfByte);
  std::array<std::byte, Calibration::kBytes> one{}, four{}, again{};
  sealed.calibrate(1).write(one);
  sealed.calibrate(4).write(four);
  CHECK(one == four);
  const auto read = Calibration::read(one);
  REQUIRE(read.has_value());
  read->write(again);
  CHECK(again == one);
  CHECK_FALSE(Calibration::read(std::span(one).first(64)).has_value());
  one[0] ^= std::byte{1};
  CHECK_FALSE(Calibration::read(one).has_value());
}

TEST_CASE("an ef for more neighbors is wider, and never beyond the limit") {
  const Sealed sealed(clustered(kRows, 32, 40, 1), Metric::kCosine, std::nullopt);
  const Calibration calibration = sealed.calibrate();
  const std::size_t ten = calibration.ef_for(0.95F, 10);
  CHECK(calibration.ef_for(0.95F, 1) == ten);
  CHECK(calibration.ef_for(0.95F, 100) >= 100);
  CHECK(calibration.ef_for(0.95F, 100) > ten);
  CHECK(calibration.ef_for(0.99F, 4096) == limits::kEfMax);
  CHECK(Calibration().ef_for(0.95F, 10) == 0);
  CHECK(Calibration().measured_recall(0.9F) == 0);
  CHECK(ef_for_more(100, 20, 10) == 100);
  CHECK(ef_for_more(100, 20, 80) == 80 + 80 * 2);
  CHECK(ef_for_more(10, 10, 40) == 40);
  CHECK(ef_for_more(4096, 1, 4096) == limits::kEfMax);
  CHECK(Calibration().stretch_for(64, 10) == 0);
}

TEST_CASE("rows that are all alike, and few rows, are no trouble") {
  Matrix equal{2000, 8, std::vector<float>(std::size_t{2000} * 8, 1.5F)};
  for (const auto kind : kKinds) {
    const Sealed sealed(equal, Metric::kL2, kind);
    const Calibration calibration = sealed.calibrate();
    CHECK(calibration.stretch_for(64, 10) == 0);
    CHECK(calibration.ef_for(0.95F, 10) >= 10);
    const Sealed few(clustered(300, 8, 0, 1), Metric::kL2, kind);
    CHECK(few.calibrate().ef_for(0.95F, 10) == 0);
  }
}
