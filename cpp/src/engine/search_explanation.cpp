// SPDX-License-Identifier: MIT
#include "engine/search_explanation.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "ann/calibration.h"
#include "engine/search.h"
#include "engine/search_tuning.h"
#include "engine/segment_codes.h"
#include "engine/segment_part.h"

namespace springg::engine {

namespace {

constexpr std::size_t kExplainedK = 10;
constexpr std::uint32_t kComparedRows = 64;

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

bool all_equal(const ann::Space& space, std::uint32_t rows) {
  const std::size_t bytes = vector_bytes(space.dtype, space.dimensions);
  const std::uint32_t compared = std::min(rows, kComparedRows);
  for (std::uint32_t i = 1; i < compared; ++i) {
    const auto row = static_cast<std::uint32_t>(std::uint64_t{i} * rows / compared);
    if (std::memcmp(space.vectors.row(0), space.vectors.row(row), bytes) != 0) return false;
  }
  return true;
}

// Of a segment that was to have some.
std::string why_segment_has_none(const PartView& part) {
  const storage::Segment& segment = *part.part->segment()->storage();
  if (part.covered() == 0) return "it has no graph, since it has few rows";
  if (segment.damaged_codes_bytes() != 0) {
    return "its codes are damaged, and could not be made again";
  }
  // Both are made at once.
  if (segment.calibration().empty()) return "its file was written before there were codes";
  if (all_equal(part.part->space(), part.rows))
    return "those of its rows that were looked at are all equal";
  return "a row has elements too large or too small for codes: expected each within 1e15 of the "
         "mean, and the greatest 1e-15 from it or more";
}

std::string why_no_codes(const PartView& part, const IndexOptions& options) {
  if (options.quantization == Quantization::kNone) return "quantization is 'none'";
  if (!quant::has_codes(options.metric)) {
    return "there are no codes for metric " + quoted(to_string(options.metric));
  }
  if (!can_have_codes(options.metric, options.dtype)) {
    return "rows of dtype " + quoted(to_string(options.dtype)) + " are as short as codes";
  }
  if (part.part->segment() == nullptr) return "rows that are in no segment yet have no codes";
  return why_segment_has_none(part);
}

Quantization name_of(quant::CodeKind kind) {
  switch (kind) {
    case quant::CodeKind::kByte: return Quantization::kInt8;
    case quant::CodeKind::kHalfByte: return Quantization::kInt4;
    case quant::CodeKind::kBit: break;
  }
  return Quantization::kRabitq;
}

std::string why_codes(quant::CodeKind kind, const IndexOptions& options) {
  const Quantization kept = name_of(kind);
  if (options.quantization == Quantization::kAuto || options.quantization == kept) return {};
  return quoted(to_string(options.quantization)) + " with " + std::to_string(options.dimensions) +
         (options.dimensions == 1 ? " dimension" : " dimensions") + " is kept as " +
         quoted(to_string(kept)) + ": a row of it would be as long";
}

PartExplanation explain_part(const View& view, const PartView& part, const IndexOptions& options,
                             const DefaultEf& choice, std::size_t ef) {
  PartExplanation one;
  one.segment = part.part->segment() != nullptr;
  one.rows = part.live_rows();
  const std::optional<quant::CodeKind> kind = part.part->code_kind();
  if (kind.has_value()) {
    one.codes = name_of(*kind);
  }
  one.why = kind.has_value() ? why_codes(*kind, options) : why_no_codes(part, options);
  if (is_short(part, ef)) return one;
  one.path = kind.has_value() ? SearchPath::kCodes : SearchPath::kVectors;
  one.ef = ef_of_share(kExplainedK, ef,
                       static_cast<double>(one.rows) / static_cast<double>(view.live_rows));
  const float measured = part.part->measured_recall(choice.recall);
  if (choice.ef == 0 && measured > 0) one.reached = rounded_recall(measured);
  return one;
}

}  // namespace

SearchExplanation explain_search(const View& view, const IndexOptions& options,
                                 const std::optional<SearchTuning>& tuning) {
  const DefaultEf choice = default_ef(tuning);
  SearchExplanation all;
  all.tuning = tuning;
  all.recall = tuning.has_value() ? tuning->recall : kRecallDefault;
  all.ef = std::max(chosen_ef(view, choice, kExplainedK, false), kExplainedK);
  for (const PartView& part : view.parts) {
    all.parts.push_back(explain_part(view, part, options, choice, all.ef));
  }
  return all;
}

}  // namespace springg::engine
