// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>

#include "springg/options.h"
#include "storage/segment_sections.h"

namespace springg::storage {

namespace {

constexpr std::uint32_t kind_of(SegmentSection section) noexcept {
  return static_cast<std::uint32_t>(section);
}

constexpr KnownSection kKnown[] = {{kind_of(SegmentSection::kInfo), 1, "info"},
                                   {kind_of(SegmentSection::kVectors), 1, "vectors"},
                                   {kind_of(SegmentSection::kInverseNorms), 1, "inverse norms"},
                                   {kind_of(SegmentSection::kSequences), 1, "sequences"},
                                   {kind_of(SegmentSection::kIds), 1, "ids"},
                                   {kind_of(SegmentSection::kIdTable), 1, "id table"},
                                   {kind_of(SegmentSection::kMetadata), 1, "metadata"},
                                   {kind_of(SegmentSection::kGraph), 1, "graph"},
                                   {kind_of(SegmentSection::kCodes), 1, "codes"},
                                   {kind_of(SegmentSection::kCalibration), 1, "calibration"}};

std::optional<Defect> check_info(std::span<const std::byte> bytes) {
  const auto dimensions = load<std::uint32_t>(bytes, info::kDimensions);
  if (dimensions == 0 || dimensions > limits::kDimensionsMax) {
    return Defect{info::kDimensions, "dimensions: expected 1 to " +
                                         std::to_string(limits::kDimensionsMax) + ", got " +
                                         std::to_string(dimensions)};
  }
  const auto metric = load<std::uint8_t>(bytes, info::kMetric);
  if (to_string(static_cast<Metric>(metric)) == "unknown") {
    return Defect{info::kMetric, "unknown metric " + std::to_string(metric)};
  }
  const auto dtype = load<std::uint8_t>(bytes, info::kDtype);
  if (to_string(static_cast<ScalarType>(dtype)) == "unknown") {
    return Defect{info::kDtype, "unknown dtype " + std::to_string(dtype)};
  }
  const auto rows = load<std::uint32_t>(bytes, info::kRows);
  if (rows > limits::kSegmentRowsMax) {
    return Defect{info::kRows, "rows: expected at most " + std::to_string(limits::kSegmentRowsMax) +
                                   ", got " + std::to_string(rows)};
  }
  return std::nullopt;
}

std::optional<Defect> check_sequences(std::span<const std::byte> bytes,
                                      std::span<const std::byte> info) {
  const auto sequences = elements<std::uint64_t>(bytes);
  if (sequences.empty()) return std::nullopt;
  for (std::size_t row = 1; row < sequences.size(); ++row) {
    if (sequences[row] <= sequences[row - 1]) {
      return Defect{row * sizeof(std::uint64_t), "sequences: expected above " +
                                                     std::to_string(sequences[row - 1]) + ", got " +
                                                     std::to_string(sequences[row])};
    }
  }
  const auto first = load<std::uint64_t>(info, info::kFirstSequence);
  const auto last = load<std::uint64_t>(info, info::kLastSequence);
  if (sequences.front() != first || sequences.back() != last) {
    return Defect{0, "sequences: expected " + std::to_string(first) + " to " +
                         std::to_string(last) + ", got " + std::to_string(sequences.front()) +
                         " to " + std::to_string(sequences.back())};
  }
  return std::nullopt;
}

std::optional<Defect> check_metadata(std::uint32_t rows, std::span<const std::byte> bytes) {
  const std::uint64_t heap_offset = (std::uint64_t{rows} + 1) * sizeof(std::uint64_t);
  if (bytes.size() < heap_offset) {
    return Defect{bytes.size(), "bytes of metadata: expected at least " +
                                    std::to_string(heap_offset) + ", got " +
                                    std::to_string(bytes.size())};
  }
  const auto offsets = elements<std::uint64_t>(bytes).first(std::size_t{rows} + 1);
  if (offsets[0] != 0 || offsets[rows] != bytes.size() - heap_offset) {
    return Defect{0, "metadata: expected offsets from 0 to " +
                         std::to_string(bytes.size() - heap_offset) + ", got " +
                         std::to_string(offsets[0]) + " to " + std::to_string(offsets[rows])};
  }
  for (std::uint32_t row = 0; row < rows; ++row) {
    const std::uint64_t length = offsets[row + 1] - offsets[row];
    if (offsets[row + 1] < offsets[row] || length > limits::kMetadataBytesMax) {
      return Defect{(std::uint64_t{row} + 1) * sizeof(std::uint64_t),
                    "metadata of row " + std::to_string(row) + " reaches from " +
                        std::to_string(offsets[row]) + " to " + std::to_string(offsets[row + 1])};
    }
  }
  return std::nullopt;
}

// Fills the segment's columns from the file, each checked first.
class Opener {
 public:
  explicit Opener(const SectionFile& file) : file_(file) {}

  Result<std::shared_ptr<SectionSegment>> open() {
    SPRINGG_ASSIGN_OR_RETURN(info_,
                             file_.need(kind_of(SegmentSection::kInfo), "info", info::kBytes));
    SPRINGG_RETURN_IF_ERROR(check(SegmentSection::kInfo, check_info(info_)));
    settings_.dimensions = load<std::uint32_t>(info_, info::kDimensions);
    settings_.metric = load<Metric>(info_, info::kMetric);
    settings_.dtype = load<ScalarType>(info_, info::kDtype);
    rows_ = load<std::uint32_t>(info_, info::kRows);
    segment_ = std::make_shared<SectionSegment>(settings_, rows_);
    segment_->set_uuid(file_.uuid());
    SPRINGG_RETURN_IF_ERROR(open_vectors());
    SPRINGG_RETURN_IF_ERROR(open_ids());
    SPRINGG_RETURN_IF_ERROR(open_metadata());
    if (const Section* graph = file_.find(kind_of(SegmentSection::kGraph))) {
      if (graph->damaged) {
        segment_->set_graph_damaged();
      } else {
        segment_->set_graph(graph->bytes);
      }
    }
    if (const Section* codes = file_.find(kind_of(SegmentSection::kCodes))) {
      if (codes->damaged) {
        segment_->set_codes_damaged(codes->bytes.size());
      } else {
        segment_->set_codes(codes->bytes);
      }
    }
    if (const Section* calibration = file_.find(kind_of(SegmentSection::kCalibration))) {
      if (calibration->damaged) {
        segment_->set_calibration_damaged();
      } else {
        segment_->set_calibration(calibration->bytes);
      }
    }
    return segment_;
  }

 private:
  Status check(SegmentSection section, const std::optional<Defect>& defect) const {
    return defect ? file_.defect(kind_of(section), *defect) : Status();
  }

  Status open_vectors() {
    const std::uint64_t bytes =
        std::uint64_t{rows_} * vector_bytes(settings_.dtype, settings_.dimensions);
    SPRINGG_ASSIGN_OR_RETURN(auto vectors,
                             file_.need(kind_of(SegmentSection::kVectors), "vectors", bytes));
    segment_->set_vectors(vectors);
    SPRINGG_ASSIGN_OR_RETURN(auto checks, file_.block_checks(kind_of(SegmentSection::kVectors)));
    segment_->set_vector_checks(std::move(checks));
    if (settings_.metric == Metric::kCosine) {
      SPRINGG_ASSIGN_OR_RETURN(auto norms,
                               file_.need(kind_of(SegmentSection::kInverseNorms), "inverse norms",
                                          std::uint64_t{rows_} * sizeof(float)));
      segment_->set_inverse_norms(norms);
    }
    SPRINGG_ASSIGN_OR_RETURN(auto sequences,
                             file_.need(kind_of(SegmentSection::kSequences), "sequences",
                                        std::uint64_t{rows_} * sizeof(std::uint64_t)));
    SPRINGG_RETURN_IF_ERROR(check(SegmentSection::kSequences, check_sequences(sequences, info_)));
    segment_->set_sequences(sequences);
    return {};
  }

  Status open_ids() {
    SPRINGG_ASSIGN_OR_RETURN(auto bytes, file_.need(kind_of(SegmentSection::kIds), "ids"));
    const auto encoding = load<IdEncoding>(info_, info::kIdEncoding);
    SPRINGG_RETURN_IF_ERROR(check(SegmentSection::kIds, IdSection::check(encoding, rows_, bytes)));
    segment_->set_ids(encoding, bytes);
    const Section* table = file_.find(kind_of(SegmentSection::kIdTable));
    if (table != nullptr && !table->damaged &&
        id_table_plausible(elements<std::uint32_t>(table->bytes), rows_)) {
      segment_->set_id_table(table->bytes);
      return {};
    }
    if (table != nullptr) segment_->set_id_table_damaged();
    SPRINGG_ASSIGN_OR_RETURN(auto duplicate, segment_->build_id_table());
    if (!duplicate) return {};
    return file_.defect(kind_of(SegmentSection::kIds),
                        {0, "id " + describe(segment_->id(*duplicate)) + " of row " +
                                std::to_string(*duplicate) + " comes twice"});
  }

  Status open_metadata() {
    if (file_.find(kind_of(SegmentSection::kMetadata)) == nullptr) return {};
    SPRINGG_ASSIGN_OR_RETURN(auto bytes,
                             file_.need(kind_of(SegmentSection::kMetadata), "metadata"));
    SPRINGG_RETURN_IF_ERROR(check(SegmentSection::kMetadata, check_metadata(rows_, bytes)));
    segment_->set_metadata(bytes);
    return {};
  }

  const SectionFile& file_;
  std::span<const std::byte> info_;
  SegmentSettings settings_;
  std::uint32_t rows_ = 0;
  std::shared_ptr<SectionSegment> segment_;
};

// Compared at a time before their pages are let go.
constexpr std::uint64_t kStepBytes = std::uint64_t{1} << 20;

void compare_in_steps(const Segment& segment) {
  const std::size_t stride = segment.vectors().stride;
  const auto step = static_cast<std::uint32_t>(std::max<std::uint64_t>(kStepBytes / stride, 1));
  for (std::uint32_t row = 0; row < segment.rows() && !segment.unreadable();) {
    const std::uint32_t end = row + std::min(step, segment.rows() - row);
    segment.compare_vectors(row, end);
    segment.drop_vectors(row, end);
    row = end;
  }
}

}  // namespace

Result<std::shared_ptr<const Segment>> open_segment(
    io::FileSystem& files, const std::string& directory, const base::Uuid& uuid,
    std::uint64_t expected_bytes, std::uint64_t compare_later_bytes, Residency residency) {
  const std::string path = directory + "/" + segment_file_name(uuid);
  const bool lean = residency == Residency::kLean;
  io::FileToRead opened;
  if (lean) {
    SPRINGG_ASSIGN_OR_RETURN(opened, map_named_file_with_reader(files, path));
  } else {
    SPRINGG_ASSIGN_OR_RETURN(opened.mapped, map_named_file(files, path));
  }
  const std::span<const std::byte> bytes = opened.mapped->bytes();
  if (bytes.size() != expected_bytes) {
    return damaged(path, std::min<std::uint64_t>(bytes.size(), expected_bytes),
                   "file size: expected " + std::to_string(expected_bytes) + ", got " +
                       std::to_string(bytes.size()));
  }
  const ComparedLater later{kind_of(SegmentSection::kVectors), lean ? 1 : compare_later_bytes};
  SPRINGG_ASSIGN_OR_RETURN(auto file,
                           SectionFile::parse(path, bytes, FileKind::kSegment, kKnown, later));
  SPRINGG_RETURN_IF_ERROR(file.check_uuid(uuid));
  SPRINGG_ASSIGN_OR_RETURN(auto segment, Opener(file).open());
  segment->set_file(std::move(opened.mapped), path);
  if (lean) {
    // Without one the mapping does.
    if (opened.reader != nullptr) segment->set_file_rows(std::move(opened.reader));
    segment->drop(bytes);
    if (segment->bytes().vectors < compare_later_bytes) compare_in_steps(*segment);
  }
  SPRINGG_RETURN_IF_ERROR(segment->check_readable());
  return std::shared_ptr<const Segment>(std::move(segment));
}

}  // namespace springg::storage
