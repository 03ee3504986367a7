// SPDX-License-Identifier: MIT
#include "engine/view.h"

#include <utility>

#include "engine/segment_part.h"

namespace springg::engine {

std::optional<std::uint32_t> PartView::find(const IdView& id) const {
  const std::optional<std::uint32_t> row = part->find(id, rows);
  if (!row.has_value() || deleted().test(*row)) return std::nullopt;
  return row;
}

std::optional<std::string_view> PartView::metadata(std::uint32_t row) const noexcept {
  if (overlay != nullptr && overlay->has_patches()) {
    if (const MetadataPatch* patch = overlay->patch(row); patch != nullptr) {
      if (patch->text == nullptr) return std::nullopt;
      return std::string_view(*patch->text);
    }
  }
  if (!part->has_metadata(row)) return std::nullopt;
  return part->metadata(row);
}

std::uint64_t live_word(const PartView& part, const base::RowBits& deleted,
                        std::uint32_t word) noexcept {
  constexpr std::uint32_t kWordRows = base::RowMask::kWordRows;
  const std::size_t chunk = word / base::RowBits::kChunkWords;
  std::uint64_t live = ~std::uint64_t{0};
  if (chunk < deleted.chunk_count && deleted.chunks[chunk] != nullptr) {
    live = ~deleted.chunks[chunk][word % base::RowBits::kChunkWords];
  }
  const std::uint32_t rows = part.rows - word * kWordRows;
  return rows < kWordRows ? live & ((std::uint64_t{1} << rows) - 1) : live;
}

std::optional<Location> View::find(const IdView& id) const {
  // New rows are asked for most, and at most one part has a live row of the id.
  for (std::size_t i = parts.size(); i-- > 0;) {
    if (const auto row = parts[i].find(id); row.has_value()) {
      return Location{static_cast<std::uint32_t>(i), *row};
    }
  }
  return std::nullopt;
}

Status check_readable(const std::vector<PartView>& parts, std::size_t first) {
  for (std::size_t i = first; i < parts.size(); ++i) {
    const SegmentPart* segment = parts[i].part->segment();
    if (segment != nullptr) SPRINGG_RETURN_IF_ERROR(segment->storage()->check_readable());
  }
  return {};
}

std::shared_ptr<const View> make_view(std::vector<PartView> parts, std::uint64_t last_sequence) {
  auto view = std::make_shared<View>();
  view->last_sequence = last_sequence;
  std::erase_if(parts, [](const PartView& part) { return part.live_rows() == 0; });
  view->parts = std::move(parts);
  for (const PartView& part : view->parts) view->live_rows += part.live_rows();
  return view;
}

ViewEditor::ViewEditor(const View& before) : parts_(before.parts), editors_(parts_.size()) {}

OverlayEditor& ViewEditor::editor(std::uint32_t part) {
  if (!editors_[part].has_value()) editors_[part].emplace(parts_[part].overlay);
  return *editors_[part];
}

void ViewEditor::erase(Location at) { editor(at.part).erase(at.row); }

void ViewEditor::patch(Location at, std::shared_ptr<const std::string> text) {
  editor(at.part).patch(at.row, std::move(text));
}

void ViewEditor::show(const std::shared_ptr<Part>& part, std::uint32_t rows) {
  if (parts_.empty() || parts_.back().part != part) {
    parts_.push_back({part, 0, nullptr});
    editors_.emplace_back();
  }
  parts_.back().rows = rows;
}

void ViewEditor::insert(const std::shared_ptr<Part>& part, std::uint32_t rows) {
  std::size_t at = parts_.size();
  while (at > 0 && parts_[at - 1].part->sequence(0) > part->sequence(0)) --at;
  parts_.insert(parts_.begin() + static_cast<std::ptrdiff_t>(at), {part, rows, nullptr});
  editors_.emplace(editors_.begin() + static_cast<std::ptrdiff_t>(at));
}

std::shared_ptr<const View> ViewEditor::finish(std::uint64_t last_sequence) {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (editors_[i].has_value()) parts_[i].overlay = editors_[i]->finish();
  }
  return make_view(std::move(parts_), last_sequence);
}

}  // namespace springg::engine
