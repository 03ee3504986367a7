// SPDX-License-Identifier: MIT
#include "ann/hnsw_links.h"

#include <algorithm>

namespace springg::ann {

namespace {
constexpr std::size_t kSmallTableRows = 65'536;
constexpr std::uint32_t kSmallShift = 12;  // a memtable that stays small takes little
constexpr std::uint32_t kLargeShift = 16;  // chunks large enough for huge pages
constexpr std::size_t kPageBytes = 4096;
}  // namespace

void LinkTable::create(std::uint32_t width, std::size_t rows_max) {
  width_ = width;
  rows_max_ = rows_max;
  shift_ = rows_max > kSmallTableRows ? kLargeShift : kSmallShift;
  const std::size_t chunks = (rows_max + (std::size_t{1} << shift_) - 1) >> shift_;
  chunks_ = std::make_unique<std::uint32_t*[]>(chunks);
}

Status LinkTable::reserve(std::size_t rows) {
  const std::size_t chunk_bytes = (std::size_t{1} << shift_) * width_ * sizeof(std::uint32_t);
  while ((buffers_.size() << shift_) < rows) {
    SPRINGG_ASSIGN_OR_RETURN(base::Buffer buffer, base::Buffer::allocate(chunk_bytes));
    chunks_[buffers_.size()] = reinterpret_cast<std::uint32_t*>(buffer.data());
    buffers_.push_back(std::move(buffer));
  }
  return {};
}

std::size_t LinkTable::touched_bytes(std::size_t rows) const noexcept {
  const std::size_t chunks = (rows_max_ + (std::size_t{1} << shift_) - 1) >> shift_;
  const std::size_t bytes = rows * width_ * sizeof(std::uint32_t);
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes + chunks * sizeof(std::uint32_t*);
}

GrowingSight::GrowingSight(const GrowingData& data, std::uint32_t row_limit) noexcept
    : data_(&data),
      limit_(std::min(row_limit, data.covered.load(std::memory_order_acquire))),
      numbers_(data.upper_count.load(std::memory_order_acquire)) {}

GraphStart GrowingSight::start() const noexcept {
  for (std::uint32_t l = data_->layers.load(std::memory_order_acquire); l > 0; --l) {
    const std::uint32_t number = data_->entries[l].load(std::memory_order_acquire);
    if (upper(l).visible(number)) return {l, number};
  }
  return {};
}

}  // namespace springg::ann
