// SPDX-License-Identifier: MIT
#include "ann/calibration.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "ann/flat.h"
#include "springg/options.h"

namespace springg::ann {

namespace {

constexpr std::size_t kSamplesMax = 128;
constexpr std::size_t kSamplesMin = 32;
// A sample for so many rows, so that a small graph is not measured for longer than it was built.
constexpr std::size_t kRowsOfSample = 64;
// And for very many rows fewer again: elements that exact answers read, a second's worth while
// there are more than the least number of samples.
constexpr double kElementsMax = 1e10;
constexpr std::size_t kSamplesOfTask = 8;
// Recall over so few queries strays: this much more is asked for.
constexpr float kMargin = 0.005F;
// With less than this many rows walks tell nothing.
constexpr std::uint32_t kRowsMin = 1024;
// Wider ones are tried only while the recall of 0.95 was not reached.
constexpr std::size_t kEfForMore = 512;
constexpr std::array<std::uint32_t, 24> kEfs{10,  12,  14,  17,  20,  24,   28,   34,
                                             40,  48,  57,  68,  81,  96,   128,  160,
                                             192, 256, 384, 512, 768, 1024, 2048, 4096};
constexpr std::uint32_t kMagic = 0x4C43'4753;  // "SGCL"

struct Image {
  std::uint32_t magic = kMagic;
  std::uint32_t version = 1;
  std::array<float, 10> ranks{};
  std::array<std::uint32_t, Calibration::kRecalls.size()> efs{};
  std::array<float, Calibration::kRecalls.size()> recalls{};
  std::array<std::byte, 48> reserved{};
};
static_assert(sizeof(Image) == Calibration::kBytes);

std::size_t samples_of(std::uint32_t rows, std::uint32_t dimensions) {
  const double elements = static_cast<double>(rows) * static_cast<double>(dimensions);
  const auto affordable = static_cast<std::size_t>(kElementsMax / elements);
  return std::max(kSamplesMin, std::min({kSamplesMax, affordable, rows / kRowsOfSample}));
}

std::vector<std::uint32_t> sample_rows(const SealedGraph& graph, std::size_t samples) {
  const std::span<const std::uint32_t> upper = graph.upper_rows();
  std::vector<bool> above(graph.rows());
  for (const std::uint32_t row : upper) above[row] = true;
  std::vector<std::uint32_t> rows;
  for (std::size_t i = 0; i < samples; ++i) {
    auto row = static_cast<std::uint32_t>(std::uint64_t{graph.rows()} * i / samples);
    while (row < graph.rows() && above[row]) ++row;
    if (row < graph.rows() && (rows.empty() || rows.back() != row)) rows.push_back(row);
  }
  return rows;
}

// One row as a query.
struct Sample {
  std::uint32_t row = 0;
  Query query;
  std::vector<Neighbor> nearest;  // exact, without itself
};

class Measurement {
 public:
  Measurement(const SealedGraph& graph, const Space& space, const quant::Codes* codes,
              base::Executor& executor)
      : graph_(graph), space_(space), codes_(codes), executor_(executor) {
    const std::size_t samples = samples_of(graph.rows(), space.dimensions);
    for (const std::uint32_t row : sample_rows(graph, samples)) {
      samples_.push_back({row, Query(space, space.vectors.row(row)), {}});
    }
    find_nearest();
  }

  bool empty() const noexcept { return samples_.empty(); }

  float recall(std::size_t ef, float stretch) {
    std::vector<std::size_t> found(samples_.size());
    for_each([&](std::size_t i) {
      const Sample& sample = samples_[i];
      if (sample.nearest.empty()) return;
      const float farthest = sample.nearest.back().rank;
      for (const Neighbor& neighbor : search(sample, sample.nearest.size(), ef, stretch)) {
        found[i] += neighbor.rank <= farthest ? 1U : 0U;
      }
    });
    std::size_t hits = 0;
    std::size_t owed = 0;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      hits += found[i];
      owed += samples_[i].nearest.size();
    }
    return owed == 0 ? 1.0F : static_cast<float>(hits) / static_cast<float>(owed);
  }

  // Medians over the samples of the ranks at 2^0, 2^1, ... as a wide walk finds them.
  void ranks(std::span<float> out) {
    const std::size_t width = std::size_t{1} << (out.size() - 1);
    std::vector<std::vector<float>> at(out.size(), std::vector<float>(samples_.size()));
    for_each([&](std::size_t i) {
      const std::vector<Neighbor> found = search(samples_[i], width, width, 0);
      for (std::size_t p = 0; p < out.size(); ++p) {
        const std::size_t place = (std::size_t{1} << p) - 1;
        at[p][i] = place < found.size() ? found[place].rank : 0.0F;
      }
    });
    for (std::size_t p = 0; p < out.size(); ++p) {
      const auto middle = at[p].begin() + static_cast<std::ptrdiff_t>(at[p].size() / 2);
      std::nth_element(at[p].begin(), middle, at[p].end());
      out[p] = *middle;
    }
  }

 private:
  template <class Body>
  void for_each(Body body) {
    executor_.run(samples_.size(), [&](std::size_t i, unsigned) { body(i); });
  }

  void find_nearest() {
    const std::size_t tasks = (samples_.size() + kSamplesOfTask - 1) / kSamplesOfTask;
    executor_.run(tasks, [&](std::size_t task, unsigned) {
      const std::size_t first = task * kSamplesOfTask;
      const std::size_t count = std::min(kSamplesOfTask, samples_.size() - first);
      std::vector<Query> queries;
      std::vector<TopK> tops;
      for (std::size_t i = 0; i < count; ++i) {
        queries.push_back(samples_[first + i].query);
        tops.emplace_back(Calibration::kNeighbors + 1);
      }
      scan_rows_batch(space_, queries, 0, graph_.rows(), {}, tops);
      for (std::size_t i = 0; i < count; ++i) {
        Sample& sample = samples_[first + i];
        for (const Neighbor& neighbor : tops[i].take_sorted()) {
          if (neighbor.row != sample.row && sample.nearest.size() < Calibration::kNeighbors) {
            sample.nearest.push_back(neighbor);
          }
        }
      }
    });
  }

  std::vector<Neighbor> search(const Sample& sample, std::size_t k, std::size_t ef,
                               float stretch) const {
    GraphQuery request;
    request.k = k;
    request.ef = ef;
    request.stretch = stretch;
    request.hidden = sample.row;
    return codes_ == nullptr ? graph_.search(space_, sample.query, request).neighbors
                             : graph_.search(space_, sample.query, *codes_, request).neighbors;
  }

  const SealedGraph& graph_;
  const Space& space_;
  const quant::Codes* codes_;
  base::Executor& executor_;
  std::vector<Sample> samples_;
};

}  // namespace

Calibration Calibration::measure(const SealedGraph& graph, const Space& space,
                                 const quant::Codes* codes, base::Executor& executor) {
  Calibration made;
  if (graph.rows() < kRowsMin) return made;
  Measurement measurement(graph, space, codes, executor);
  if (measurement.empty()) return made;
  if (space.metric != Metric::kDot) measurement.ranks(made.ranks_);
  std::size_t next = 0;  // of the recalls
  for (const std::uint32_t ef : kEfs) {
    const float recall = measurement.recall(ef, made.stretch_for(ef, kNeighbors));
    for (std::size_t i = next; i < kRecalls.size(); ++i) {
      made.efs_[i] = ef;
      made.recalls_[i] = recall;
    }
    while (next < kRecalls.size() && recall >= std::min(kRecalls[next] + kMargin, 1.0F)) ++next;
    if (next == kRecalls.size() || (next >= 2 && ef >= kEfForMore)) break;
  }
  return made;
}

std::optional<Calibration> Calibration::read(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() != kBytes) return std::nullopt;
  Image image;
  std::memcpy(&image, bytes.data(), sizeof image);
  if (image.magic != kMagic || image.version != 1) return std::nullopt;
  Calibration made;
  made.ranks_ = image.ranks;
  made.efs_ = image.efs;
  made.recalls_ = image.recalls;
  for (std::uint32_t& ef : made.efs_) ef = std::min(ef, std::uint32_t{limits::kEfMax});
  return made;
}

void Calibration::write(std::span<std::byte, kBytes> bytes) const noexcept {
  Image image;
  image.ranks = ranks_;
  image.efs = efs_;
  image.recalls = recalls_;
  std::memcpy(bytes.data(), &image, sizeof image);
}

std::size_t ef_for_more(std::size_t ef, std::size_t of_k, std::size_t k) noexcept {
  if (k <= of_k || ef <= of_k) return std::min(std::max(ef, k), limits::kEfMax);
  const double more = std::sqrt(static_cast<double>(k) / static_cast<double>(of_k));
  const double scaled = static_cast<double>(k) + static_cast<double>(ef - of_k) * more;
  return std::min(static_cast<std::size_t>(std::ceil(scaled)), limits::kEfMax);
}

// Which of kRecalls stands for a recall.
std::size_t Calibration::step_of(float recall) noexcept {
  std::size_t i = 0;
  while (i + 1 < kRecalls.size() && kRecalls[i] < recall) ++i;
  return i;
}

std::size_t Calibration::ef_for(float recall, std::size_t k) const noexcept {
  const std::uint32_t ef = efs_[step_of(recall)];
  return ef == 0 ? 0 : ef_for_more(ef, kNeighbors, k);
}

float Calibration::measured_recall(float recall) const noexcept {
  return recalls_[step_of(recall)];
}

// Between two positions, and beyond the last, ranks grow like a power of the position.
float Calibration::rank_at(float position) const noexcept {
  const float at = std::log2(position);
  const std::size_t below = std::min(static_cast<std::size_t>(at), kPositions - 2);
  const float low = ranks_[below];
  const float high = ranks_[below + 1];
  if (!(low > 0) || !(high >= low)) return 0;
  return low * std::pow(high / low, at - static_cast<float>(below));
}

float Calibration::stretch_for(std::size_t ef, std::size_t k) const noexcept {
  if (k == 0 || k >= ef) return 0;
  const float near = rank_at(static_cast<float>(k));
  const float far = rank_at(static_cast<float>(ef));
  // Ranks of whole numbers may be equal from k to ef: rows as near as the k-th would be left out.
  if (!(near > 0) || !(far > near)) return 0;
  const float stretch = far / near;
  return std::isfinite(stretch) ? stretch : 0;
}

}  // namespace springg::ann
