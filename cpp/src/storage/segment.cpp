// SPDX-License-Identifier: MIT
#include "storage/segment.h"

#include <array>
#include <utility>

#include "springg/options.h"
#include "storage/segment_sections.h"

namespace springg::storage {

std::string segment_file_name(const base::Uuid& uuid) { return uuid.to_string() + ".segment"; }

void SectionSegment::set_vectors(std::span<const std::byte> bytes) {
  vectors_ = bytes;
  vector_chunk_ = bytes.data();
  vector_table_.chunks = &vector_chunk_;
  vector_table_.stride = vector_bytes(settings_.dtype, settings_.dimensions);
}

void SectionSegment::set_inverse_norms(std::span<const std::byte> bytes) {
  inverse_norms_ = bytes;
  norm_chunk_ = bytes.data();
  norm_table_.chunks = &norm_chunk_;
  norm_table_.stride = sizeof(float);
}

void SectionSegment::set_ids(IdEncoding encoding, std::span<const std::byte> bytes) {
  id_encoding_ = encoding;
  id_bytes_ = bytes;
  ids_ = IdSection(encoding, rows_, bytes);
}

std::span<std::byte> SectionSegment::keep(base::Buffer buffer) {
  buffers_.push_back(std::move(buffer));
  return buffers_.back().span();
}

Result<std::optional<std::uint32_t>> SectionSegment::build_id_table() {
  SPRINGG_ASSIGN_OR_RETURN(auto buffer,
                           base::Buffer::allocate(id_table_slots(rows_) * sizeof(std::uint32_t)));
  const std::span<std::byte> bytes = keep(std::move(buffer));
  const auto duplicate = fill_id_table(
      ids_, {reinterpret_cast<std::uint32_t*>(bytes.data()), bytes.size() / sizeof(std::uint32_t)});
  id_table_ = bytes;
  return duplicate;
}

std::string_view SectionSegment::metadata(std::uint32_t row) const noexcept {
  if (metadata_.empty()) return {};
  const auto* offsets = reinterpret_cast<const std::uint64_t*>(metadata_.data());
  const std::size_t heap = (std::size_t{rows_} + 1) * sizeof(std::uint64_t);
  const std::uint64_t begin = load_once(offsets + row);
  const std::uint64_t end = load_once(offsets + row + 1);
  // Zeros in the place of what cannot be read.
  if (end < begin || end - begin > limits::kMetadataBytesMax) return {};
  return {reinterpret_cast<const char*>(metadata_.data()) + heap + begin,
          static_cast<std::size_t>(end - begin)};
}

void SectionSegment::compare_vectors(std::uint32_t first, std::uint32_t last) const noexcept {
  if (compared()) return;
  const std::uint64_t bytes = vector_table_.stride;
  checks_->compare(first * bytes, last * bytes);
}

void SectionSegment::drop_vectors(std::uint32_t first, std::uint32_t last) const noexcept {
  if (file_ == nullptr || first >= last) return;
  const std::size_t bytes = vector_table_.stride;
  file_->drop(vectors_.subspan(first * bytes, (last - first) * bytes));
}

void SectionSegment::set_file_rows(std::unique_ptr<const io::RandomReader> reader) {
  const auto offset = static_cast<std::uint64_t>(vectors_.data() - file_->bytes().data());
  if (checks_ != nullptr) checks_->read_through(*reader, offset);
  file_rows_ = std::make_unique<const FileRows>(std::move(reader), offset, vector_table_.stride);
}

Status SectionSegment::check_readable() const {
  if (!unreadable()) return {};
  if (file_ == nullptr) return io_error("scratch memory could not be read: the disk failed");
  // Zeros in the place of what cannot be read differ as well.
  if (cannot_be_read()) return unreadable_file(path_);
  const auto section = static_cast<std::uint64_t>(vectors_.data() - file_->bytes().data());
  return damaged_section(path_, section + *checks_->damage(), "vectors");
}

Segment::Bytes SectionSegment::bytes() const noexcept {
  Bytes bytes;
  bytes.vectors = vectors_.size();
  bytes.graph = graph_.size();
  bytes.codes = codes_.size();
  bytes.ids = id_bytes_.size() + id_table_.size();
  bytes.metadata = metadata_.size();
  bytes.other = inverse_norms_.size() + sequences_.size();
  return bytes;
}

Result<std::uint64_t> SectionSegment::write(io::FileSystem& files,
                                            const std::string& directory) const {
  std::array<std::byte, info::kBytes> header{};
  store(header, info::kDimensions, settings_.dimensions);
  store(header, info::kMetric, settings_.metric);
  store(header, info::kDtype, settings_.dtype);
  store(header, info::kRows, rows_);
  store(header, info::kIdEncoding, id_encoding_);
  if (rows_ != 0) {
    store(header, info::kFirstSequence, sequences().front());
    store(header, info::kLastSequence, sequences().back());
  }
  std::vector<SectionContent> sections;
  const auto put = [&sections](SegmentSection kind, std::uint32_t flags,
                               std::span<const std::byte> bytes) {
    sections.push_back({static_cast<std::uint32_t>(kind), 1, flags, bytes});
  };
  put(SegmentSection::kInfo, kRequired, header);
  put(SegmentSection::kVectors, kRequired, vectors_);
  if (settings_.metric == Metric::kCosine) {
    put(SegmentSection::kInverseNorms, kRequired, inverse_norms_);
  }
  put(SegmentSection::kSequences, kRequired, sequences_);
  put(SegmentSection::kIds, kRequired, id_bytes_);
  put(SegmentSection::kIdTable, kDerived, id_table_);
  if (!metadata_.empty()) put(SegmentSection::kMetadata, kRequired, metadata_);
  if (!graph_.empty()) put(SegmentSection::kGraph, kDerived, graph_);
  if (!codes_.empty()) put(SegmentSection::kCodes, kDerived, codes_);
  if (!calibration_.empty()) put(SegmentSection::kCalibration, kDerived, calibration_);
  return write_section_file(files, directory, segment_file_name(uuid_), FileKind::kSegment, uuid_,
                            sections);
}

}  // namespace springg::storage
