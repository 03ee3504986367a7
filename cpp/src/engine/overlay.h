// SPDX-License-Identifier: MIT
// What changed in a part since its rows were written: deleted rows and replaced metadata. Versions
// are immutable and share what is equal, so that a change copies a few KiB however large the part.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/row_bits.h"

namespace springg::engine {

// The metadata that replaces a row's own; null text: the row has none any more.
struct MetadataPatch {
  std::uint32_t row = 0;
  std::shared_ptr<const std::string> text;
};

// Immutable. Any thread.
class Overlay {
 public:
  base::RowBits deleted() const noexcept {
    return {bit_pointers_.data(), static_cast<std::uint32_t>(bit_pointers_.size()), deleted_};
  }
  std::uint32_t deleted_rows() const noexcept { return deleted_; }
  bool has_patches() const noexcept { return patches_ != 0; }
  const MetadataPatch* patch(std::uint32_t row) const noexcept;
  // Ascending by row.
  void for_each_patch(base::FunctionRef<void(const MetadataPatch&)> visit) const;
  std::uint64_t memory_bytes() const noexcept;

 private:
  friend class OverlayEditor;
  static constexpr std::uint32_t kLeafRows = 128;
  using Bits = std::array<std::uint64_t, base::RowBits::kChunkWords>;
  using Leaf = std::vector<MetadataPatch>;  // ascending by row
  using Branch = std::array<std::shared_ptr<const Leaf>, base::RowBits::kChunkRows / kLeafRows>;

  std::vector<std::shared_ptr<const Bits>> bits_;  // a chunk of kChunkRows rows each
  std::vector<const std::uint64_t*> bit_pointers_;
  std::vector<std::shared_ptr<const Branch>> branches_;  // likewise
  std::uint32_t deleted_ = 0;
  std::uint32_t patches_ = 0;
  std::uint64_t patch_bytes_ = 0;
};

// Makes the next version.
class OverlayEditor {
 public:
  // `before` null: nothing has changed yet.
  explicit OverlayEditor(const std::shared_ptr<const Overlay>& before);
  void erase(std::uint32_t row);  // no effect when it is deleted already
  void patch(std::uint32_t row, std::shared_ptr<const std::string> text);
  std::shared_ptr<const Overlay> finish();

 private:
  Overlay::Leaf& own_leaf(std::uint32_t row);

  std::shared_ptr<Overlay> next_;
  // What this editor has copied already and may change in place.
  std::vector<Overlay::Bits*> own_bits_;
  std::vector<Overlay::Branch*> own_branches_;
  std::vector<Overlay::Leaf*> own_leaves_;
};

}  // namespace springg::engine
