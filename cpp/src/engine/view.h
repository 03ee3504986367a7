// SPDX-License-Identifier: MIT
// What a reader sees: an immutable list of parts, each with its visible rows and what was changed
// in them. A write is one new view, so all of it becomes visible at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/row_mask.h"
#include "engine/overlay.h"
#include "engine/part.h"

namespace springg::engine {

struct PartView {
  std::shared_ptr<Part> part;
  std::uint32_t rows = 0;                  // visible, deleted ones included
  std::shared_ptr<const Overlay> overlay;  // null: nothing changed

  base::RowBits deleted() const noexcept {
    return overlay == nullptr ? base::RowBits{} : overlay->deleted();
  }
  std::uint32_t live_rows() const noexcept {
    return overlay == nullptr ? rows : rows - overlay->deleted_rows();
  }
  // Rows of the graph that a search may use, and the rest which it scans.
  std::uint32_t covered() const noexcept { return std::min(part->covered(), rows); }
  std::uint32_t tail_rows() const noexcept { return rows - covered(); }
  // The live row with this id.
  std::optional<std::uint32_t> find(const IdView& id) const;
  // The row's metadata as it is now; none when it has none. Valid as long as this view.
  std::optional<std::string_view> metadata(std::uint32_t row) const noexcept;
};

// Which of the rows [64 * word, 64 * word + 64) are there and live, the first in the lowest bit.
// `deleted` is part.deleted().
std::uint64_t live_word(const PartView& part, const base::RowBits& deleted,
                        std::uint32_t word) noexcept;

struct Location {
  std::uint32_t part = 0;
  std::uint32_t row = 0;
};

// Parts have ascending, disjoint sequence ranges: (part, row) order is insertion order.
struct View {
  std::vector<PartView> parts;
  std::uint64_t last_sequence = 0;
  std::uint64_t live_rows = 0;

  std::optional<Location> find(const IdView& id) const;
};

// kCorruption when a segment among the parts from `first` on cannot be read any more: what was read
// of it before this call may be wrong. Every answer and everything that is written again comes
// after such a check. A few loads for each part.
Status check_readable(const std::vector<PartView>& parts, std::size_t first = 0);

// Makes the next view out of one. Part numbers are those of the view before.
class ViewEditor {
 public:
  explicit ViewEditor(const View& before);
  void erase(Location at);
  void patch(Location at, std::shared_ptr<const std::string> text);
  // Shows `rows` rows of `part`, which is the last one or a new last one.
  void show(const std::shared_ptr<Part>& part, std::uint32_t rows);
  // Shows all of a new part of `rows` rows in the place that its sequences have. Part numbers are
  // void from here on.
  void insert(const std::shared_ptr<Part>& part, std::uint32_t rows);
  // Parts without a live row are left out.
  std::shared_ptr<const View> finish(std::uint64_t last_sequence);

 private:
  OverlayEditor& editor(std::uint32_t part);

  std::vector<PartView> parts_;
  std::vector<std::optional<OverlayEditor>> editors_;
};

// A view of these parts; those without a live row are left out.
std::shared_ptr<const View> make_view(std::vector<PartView> parts, std::uint64_t last_sequence);

}  // namespace springg::engine
