// SPDX-License-Identifier: MIT
#include "ann/space.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/dispatch.h"

namespace springg::ann {

namespace {

constexpr std::size_t kGatherBlock = 64;

kernels::Measure measure_of(Metric metric) noexcept {
  switch (metric) {
    case Metric::kL2: return kernels::Measure::kSquaredL2;
    case Metric::kManhattan: return kernels::Measure::kManhattan;
    case Metric::kHamming: return kernels::Measure::kHamming;
    default: return kernels::Measure::kDot;
  }
}

// Rows of `table` from `row` on that lie one after another.
std::size_t run_length(const base::RowTable& table, std::uint32_t row) noexcept {
  const std::uint32_t mask = (std::uint32_t{1} << table.chunk_shift) - 1U;
  return static_cast<std::size_t>(mask - (row & mask)) + 1;
}

// The query's elements as `T`, or nothing when one of them is no number of it.
template <class T>
std::vector<std::byte> bytes_of(const float* query, std::size_t dimensions) {
  constexpr float kLow = std::numeric_limits<T>::min();
  constexpr float kHigh = std::numeric_limits<T>::max();
  std::vector<std::byte> bytes(dimensions);
  for (std::size_t i = 0; i < dimensions; ++i) {
    if (!(query[i] >= kLow && query[i] <= kHigh)) return {};
    const T value = static_cast<T>(query[i]);
    if (static_cast<float>(value) != query[i]) return {};
    bytes[i] = static_cast<std::byte>(value);
  }
  return bytes;
}

template <class T>
std::uint64_t sum_of_squares(const std::byte* row, std::size_t dimensions) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < dimensions; ++i) {
    const T value = std::bit_cast<T>(row[i]);  // its square is an int
    sum += static_cast<std::uint64_t>(value * value);
  }
  return sum;
}

std::uint64_t sum_of_squares(ScalarType dtype, const std::byte* row,
                             std::size_t dimensions) noexcept {
  return dtype == ScalarType::kInt8 ? sum_of_squares<std::int8_t>(row, dimensions)
                                    : sum_of_squares<std::uint8_t>(row, dimensions);
}

const kernels::ByteFunctions& byte_functions(ScalarType dtype) noexcept {
  const kernels::DistanceTable& table = kernels::active_table();
  return dtype == ScalarType::kInt8 ? table.int8 : table.uint8;
}

float inverse_of_squared(double squared) noexcept {
  if (!(squared > 0.0)) return 0.0F;
  const double inverse = kCosineScale / std::sqrt(squared);
  constexpr double kLargest = std::numeric_limits<float>::max();
  return inverse <= kLargest ? static_cast<float>(inverse) : 0.0F;
}

}  // namespace

float inverse_norm(const float* vector, std::size_t dimensions) noexcept {
  return inverse_of_squared(kernels::active_table().squared_norm(vector, dimensions));
}

float inverse_norm(ScalarType dtype, const std::byte* row, std::size_t dimensions) noexcept {
  return inverse_of_squared(static_cast<double>(sum_of_squares(dtype, row, dimensions)));
}

float distance_of_rank(Metric metric, float rank) noexcept {
  return metric == Metric::kL2 ? std::sqrt(rank) : rank;
}

const kernels::DistanceFunctions& functions_for(const Space& space) noexcept {
  const auto& table = kernels::active_table();
  const auto measure = static_cast<std::size_t>(measure_of(space.metric));
  switch (space.dtype) {
    case ScalarType::kFloat16: return table.float16[measure];
    case ScalarType::kInt8: return table.int8.of_bytes[measure];
    case ScalarType::kUint8: return table.uint8.of_bytes[measure];
    case ScalarType::kBinary: return table.bits;
    default: return table.float32[measure];
  }
}

std::size_t kernel_dimensions(const Space& space) noexcept {
  return space.dtype == ScalarType::kBinary ? vector_bytes(space.dtype, space.dimensions)
                                            : space.dimensions;
}

void finish_ranks(const Space& space, float factor, std::uint32_t begin, std::size_t count,
                  float* values) noexcept {
  if (space.metric == Metric::kDot) {
    for (std::size_t i = 0; i < count; ++i) values[i] = 0.0F - values[i];
    return;
  }
  if (space.metric != Metric::kCosine) return;
  while (count != 0) {
    const std::size_t run = std::min(count, run_length(space.inverse_norms, begin));
    const auto* norms = reinterpret_cast<const float*>(space.inverse_norms.row(begin));
    for (std::size_t i = 0; i < run; ++i) {
      values[i] = finish_rank(Metric::kCosine, values[i], norms[i] * factor);
    }
    values += run;
    begin += static_cast<std::uint32_t>(run);
    count -= run;
  }
}

void QueryTile::pack(const Space& space, std::span<const Query> queries) {
  queries_ = queries;
  packed_.clear();
  const bool alone =
      std::any_of(queries.begin(), queries.end(), [](const Query& q) { return !q.scan_; });
  if (alone || queries.empty()) return;
  tile_ = functions_for(space).tile;
  stride_ = is_byte_dtype(space.dtype) ? vector_bytes(space.dtype, space.dimensions)
                                       : space.dimensions * sizeof(float);
  packed_.resize(queries.size() * stride_);
  for (std::size_t q = 0; q < queries.size(); ++q) {
    std::memcpy(packed_.data() + q * stride_, queries[q].data(), stride_);
  }
}

void QueryTile::scan(const Space& space, std::size_t first, std::size_t number, std::uint32_t begin,
                     std::uint32_t count, float* ranks) const noexcept {
  if (packed_.empty()) {
    for (std::size_t q = 0; q < number; ++q) {
      queries_[first + q].scan(space, begin, count, ranks + q * count);
    }
    return;
  }
  const std::byte* const queries = packed_.data() + first * stride_;
  const std::size_t stride = is_byte_dtype(space.dtype) ? stride_ : stride_ / sizeof(float);
  for (std::uint32_t done = 0; done < count;) {
    const std::size_t run =
        std::min<std::size_t>(count - done, run_length(space.vectors, begin + done));
    tile_(queries, stride, number, space.vectors.row(begin + done), space.vectors.stride, run,
          kernel_dimensions(space), ranks + done, count);
    for (std::size_t q = 0; q < number; ++q) {
      finish_ranks(space, queries_[first + q].factor_, begin + done, run, ranks + q * count + done);
    }
    done += static_cast<std::uint32_t>(run);
  }
}

Query::Query(const Space& space, const float* query) {
  if (!is_byte_dtype(space.dtype)) {
    prepare_floats(space, query);
    return;
  }
  std::vector<std::byte> bytes = space.dtype == ScalarType::kInt8
                                     ? bytes_of<std::int8_t>(query, space.dimensions)
                                     : bytes_of<std::uint8_t>(query, space.dimensions);
  if (!bytes.empty()) {
    prepare_bytes(space, std::move(bytes));
    return;
  }
  prepare_floats(space, query);
  const auto measure = static_cast<std::size_t>(measure_of(space.metric));
  scan_ = nullptr;
  gather_ = byte_functions(space.dtype).of_floats[measure];
}

Query::Query(const Space& space, const std::byte* stored) {
  if (is_byte_dtype(space.dtype)) {
    const std::size_t bytes = vector_bytes(space.dtype, space.dimensions);
    prepare_bytes(space, std::vector<std::byte>(stored, stored + bytes));
    return;
  }
  if (space.dtype == ScalarType::kFloat32) {
    prepare_floats(space, reinterpret_cast<const float*>(stored));
    return;
  }
  std::vector<float> values(space.dimensions);
  kernels::active_table().half_to_float(reinterpret_cast<const std::uint16_t*>(stored),
                                        space.dimensions, values.data());
  prepare_floats(space, values.data());
}

void Query::prepare_floats(const Space& space, const float* values) {
  gather_ = functions_for(space).gather;
  scan_ = functions_for(space).scan;
  if (space.metric != Metric::kCosine) {
    prepared_.assign(values, values + space.dimensions);
    return;
  }
  const kernels::DistanceTable& table = kernels::active_table();
  const double squared = table.squared_norm(values, space.dimensions);
  const double factor = squared > 0.0 ? 1.0 / (kCosineScale * std::sqrt(squared)) : 0.0;
  prepared_.resize(space.dimensions);
  table.scale(values, space.dimensions, factor, prepared_.data());
}

void Query::prepare_bytes(const Space& space, std::vector<std::byte> bytes) {
  bytes_ = std::move(bytes);
  gather_ = functions_for(space).gather;
  scan_ = functions_for(space).scan;
  if (space.metric != Metric::kCosine) return;
  const auto squared =
      static_cast<double>(sum_of_squares(space.dtype, bytes_.data(), space.dimensions));
  factor_ = squared > 0.0 ? static_cast<float>(1.0 / (kCosineScale * std::sqrt(squared))) : 0.0F;
}

void Query::unit_length(const Space& space, std::vector<float>& out) const {
  out = prepared_;
  if (space.metric != Metric::kCosine) return;
  for (float& x : out) x *= static_cast<float>(kCosineScale);  // a power of two: exact
}

void Query::gather(const Space& space, const std::uint32_t* rows, std::size_t count,
                   float* ranks) const noexcept {
  const std::byte* vectors[kGatherBlock];
  while (count != 0) {
    const std::size_t block = std::min(count, kGatherBlock);
    for (std::size_t i = 0; i < block; ++i) vectors[i] = space.vectors.row(rows[i]);
    gather_at(space, vectors, rows, block, ranks);
    rows += block;
    ranks += block;
    count -= block;
  }
}

void Query::gather_at(const Space& space, const std::byte* const* vectors,
                      const std::uint32_t* rows, std::size_t count, float* ranks) const noexcept {
  gather_(data(), vectors, count, kernel_dimensions(space), ranks);
  switch (space.metric) {
    case Metric::kCosine:
      for (std::size_t i = 0; i < count; ++i) {
        ranks[i] =
            finish_rank(Metric::kCosine, ranks[i], inverse_norm_of(space, rows[i]) * factor_);
      }
      break;
    case Metric::kDot:
      for (std::size_t i = 0; i < count; ++i) ranks[i] = finish_rank(Metric::kDot, ranks[i], 0);
      break;
    default: break;
  }
}

void Query::scan(const Space& space, std::uint32_t begin, std::size_t count,
                 float* ranks) const noexcept {
  if (scan_ == nullptr) {
    std::uint32_t rows[kGatherBlock];
    while (count != 0) {
      const std::size_t block = std::min(count, kGatherBlock);
      for (std::size_t i = 0; i < block; ++i) rows[i] = begin + static_cast<std::uint32_t>(i);
      gather(space, rows, block, ranks);
      ranks += block;
      begin += static_cast<std::uint32_t>(block);
      count -= block;
    }
    return;
  }
  while (count != 0) {
    const std::size_t run = std::min(count, run_length(space.vectors, begin));
    scan_(data(), space.vectors.row(begin), space.vectors.stride, run, kernel_dimensions(space),
          ranks);
    finish_ranks(space, factor_, begin, run, ranks);
    ranks += run;
    begin += static_cast<std::uint32_t>(run);
    count -= run;
  }
}

}  // namespace springg::ann
