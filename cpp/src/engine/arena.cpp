// SPDX-License-Identifier: MIT
#include "engine/arena.h"

#include <algorithm>
#include <cstring>

namespace springg::engine {

namespace {
constexpr std::size_t kFirstBlockBytes = 4096;
constexpr std::size_t kBlockBytesMax = std::size_t{1} << 20;
}  // namespace

Result<const char*> Arena::store(std::string_view bytes) {
  if (bytes.empty()) return "";
  if (blocks_.empty() || blocks_.back().size() - used_ < bytes.size()) {
    const std::size_t next =
        blocks_.empty() ? kFirstBlockBytes : std::min(blocks_.back().size() * 2, kBlockBytesMax);
    SPRINGG_ASSIGN_OR_RETURN(base::Buffer block,
                             base::Buffer::allocate(std::max(next, bytes.size())));
    memory_bytes_ += block.size();
    blocks_.push_back(std::move(block));
    used_ = 0;
  }
  char* out = reinterpret_cast<char*>(blocks_.back().data()) + used_;
  std::memcpy(out, bytes.data(), bytes.size());
  used_ += bytes.size();
  return static_cast<const char*>(out);
}

void Arena::take_back(const Position& position) noexcept {
  while (blocks_.size() > position.blocks) {
    memory_bytes_ -= blocks_.back().size();
    blocks_.pop_back();
  }
  used_ = position.used;
}

}  // namespace springg::engine
