// SPDX-License-Identifier: MIT
#include "engine/overlay.h"

#include <algorithm>
#include <utility>

namespace springg::engine {

namespace {

bool before_row(const MetadataPatch& patch, std::uint32_t row) noexcept { return patch.row < row; }

std::uint64_t text_bytes(const MetadataPatch& patch) noexcept {
  return patch.text == nullptr ? 0 : patch.text->capacity() + sizeof(std::string) + 16;
}

}  // namespace

const MetadataPatch* Overlay::patch(std::uint32_t row) const noexcept {
  const std::uint32_t chunk = row >> base::RowBits::kChunkShift;
  if (chunk >= branches_.size() || branches_[chunk] == nullptr) return nullptr;
  const auto& leaf = (*branches_[chunk])[(row & (base::RowBits::kChunkRows - 1)) / kLeafRows];
  if (leaf == nullptr) return nullptr;
  const auto found = std::lower_bound(leaf->begin(), leaf->end(), row, before_row);
  return found != leaf->end() && found->row == row ? &*found : nullptr;
}

void Overlay::for_each_patch(base::FunctionRef<void(const MetadataPatch&)> visit) const {
  for (const auto& branch : branches_) {
    if (branch == nullptr) continue;
    for (const auto& leaf : *branch) {
      if (leaf == nullptr) continue;
      for (const MetadataPatch& patch : *leaf) visit(patch);
    }
  }
}

std::uint64_t Overlay::memory_bytes() const noexcept {
  std::uint64_t bytes = patch_bytes_ + patches_ * sizeof(MetadataPatch);
  for (const auto& chunk : bits_) bytes += chunk == nullptr ? 0 : sizeof(Bits);
  for (const auto& branch : branches_) bytes += branch == nullptr ? 0 : sizeof(Branch);
  return bytes;
}

OverlayEditor::OverlayEditor(const std::shared_ptr<const Overlay>& before)
    : next_(before == nullptr ? std::make_shared<Overlay>() : std::make_shared<Overlay>(*before)) {}

void OverlayEditor::erase(std::uint32_t row) {
  if (next_->deleted().test(row)) return;
  const std::uint32_t chunk = row >> base::RowBits::kChunkShift;
  if (chunk >= next_->bits_.size()) {
    next_->bits_.resize(chunk + 1);
    next_->bit_pointers_.resize(chunk + 1);
  }
  if (chunk >= own_bits_.size()) own_bits_.resize(chunk + 1);
  if (own_bits_[chunk] == nullptr) {
    const auto& shared = next_->bits_[chunk];
    auto copy = shared == nullptr ? std::make_shared<Overlay::Bits>()
                                  : std::make_shared<Overlay::Bits>(*shared);
    own_bits_[chunk] = copy.get();
    next_->bit_pointers_[chunk] = copy->data();
    next_->bits_[chunk] = std::move(copy);
  }
  const std::uint32_t bit = row & (base::RowBits::kChunkRows - 1);
  (*own_bits_[chunk])[bit >> 6] |= std::uint64_t{1} << (bit & 63);
  ++next_->deleted_;
}

Overlay::Leaf& OverlayEditor::own_leaf(std::uint32_t row) {
  const std::uint32_t chunk = row >> base::RowBits::kChunkShift;
  if (chunk >= next_->branches_.size()) next_->branches_.resize(chunk + 1);
  if (chunk >= own_branches_.size()) own_branches_.resize(chunk + 1);
  if (own_branches_[chunk] == nullptr) {
    const auto& shared = next_->branches_[chunk];
    auto copy = shared == nullptr ? std::make_shared<Overlay::Branch>()
                                  : std::make_shared<Overlay::Branch>(*shared);
    own_branches_[chunk] = copy.get();
    next_->branches_[chunk] = std::move(copy);
  }
  const std::uint32_t slot = (row & (base::RowBits::kChunkRows - 1)) / Overlay::kLeafRows;
  auto& leaf = (*own_branches_[chunk])[slot];
  const std::size_t own = std::size_t{row} / Overlay::kLeafRows;
  if (own >= own_leaves_.size()) own_leaves_.resize(own + 1);
  if (own_leaves_[own] == nullptr) {
    auto copy = leaf == nullptr ? std::make_shared<Overlay::Leaf>()
                                : std::make_shared<Overlay::Leaf>(*leaf);
    own_leaves_[own] = copy.get();
    leaf = std::move(copy);
  }
  return *own_leaves_[own];
}

void OverlayEditor::patch(std::uint32_t row, std::shared_ptr<const std::string> text) {
  Overlay::Leaf& leaf = own_leaf(row);
  auto at = std::lower_bound(leaf.begin(), leaf.end(), row, before_row);
  if (at == leaf.end() || at->row != row) {
    at = leaf.insert(at, MetadataPatch{row, nullptr});
    ++next_->patches_;
  }
  next_->patch_bytes_ -= text_bytes(*at);
  at->text = std::move(text);
  next_->patch_bytes_ += text_bytes(*at);
}

std::shared_ptr<const Overlay> OverlayEditor::finish() { return std::move(next_); }

}  // namespace springg::engine
