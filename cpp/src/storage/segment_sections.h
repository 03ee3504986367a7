// SPDX-License-Identifier: MIT
// What a segment's sections are, in memory as on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "storage/file_rows.h"
#include "storage/id_section.h"
#include "storage/section_file.h"
#include "storage/segment.h"

namespace springg::storage {

// Written to disk: never change a number. 9 (a stamp for each row) is reserved.
enum class SegmentSection : std::uint32_t {
  kInfo = 1,
  kVectors = 2,
  kInverseNorms = 3,
  kSequences = 4,
  kIds = 5,
  kIdTable = 6,
  kMetadata = 7,
  kGraph = 8,
  kCodes = 10,
  kCalibration = 11,
};

// Section kInfo. Zero in the bytes that are not named.
namespace info {
inline constexpr std::size_t kDimensions = 0;      // u32
inline constexpr std::size_t kMetric = 4;          // u8
inline constexpr std::size_t kDtype = 5;           // u8
inline constexpr std::size_t kRows = 8;            // u32
inline constexpr std::size_t kIdEncoding = 12;     // u32
inline constexpr std::size_t kFirstSequence = 16;  // u64; 0 in a segment without rows
inline constexpr std::size_t kLastSequence = 24;   // u64
inline constexpr std::size_t kBytes = 64;
}  // namespace info

// The one implementation of Segment: spans, and what keeps them alive.
class SectionSegment final : public Segment {
 public:
  SectionSegment(const SegmentSettings& settings, std::uint32_t rows)
      : settings_(settings), rows_(rows) {}

  const base::Uuid& uuid() const noexcept override { return uuid_; }
  const SegmentSettings& settings() const noexcept override { return settings_; }
  std::uint32_t rows() const noexcept override { return rows_; }
  const base::RowTable& vectors() const noexcept override { return vector_table_; }
  const base::RowTable& inverse_norms() const noexcept override { return norm_table_; }
  std::span<const std::uint64_t> sequences() const noexcept override {
    return elements<std::uint64_t>(sequences_);
  }
  IdView id(std::uint32_t row) const noexcept override { return ids_[row]; }
  std::optional<std::uint32_t> find(const IdView& id) const noexcept override {
    return find_id(ids_, elements<std::uint32_t>(id_table_), id);
  }
  bool has_metadata(std::uint32_t row) const noexcept override { return !metadata(row).empty(); }
  std::string_view metadata(std::uint32_t row) const noexcept override;
  std::span<const std::byte> graph() const noexcept override { return graph_; }
  bool graph_damaged() const noexcept override { return graph_damaged_; }
  std::span<const std::byte> codes() const noexcept override { return codes_; }
  std::uint64_t damaged_codes_bytes() const noexcept override { return damaged_codes_bytes_; }
  std::span<const std::byte> calibration() const noexcept override { return calibration_; }
  bool calibration_damaged() const noexcept override { return calibration_damaged_; }
  bool id_table_damaged() const noexcept override { return id_table_damaged_; }
  Bytes bytes() const noexcept override;
  bool mapped() const noexcept override { return file_ != nullptr; }
  std::uint64_t file_bytes() const noexcept override {
    return file_ == nullptr ? 0 : file_->bytes().size();
  }
  bool compared() const noexcept override { return checks_ == nullptr || checks_->passed(); }
  void compare_vectors(std::uint32_t first, std::uint32_t last) const noexcept override;
  bool unreadable() const noexcept override {
    if (scratch_ != nullptr && scratch_->unreadable()) return true;
    return file_ != nullptr &&
           (cannot_be_read() || (checks_ != nullptr && checks_->damage().has_value()));
  }
  Status check_readable() const override;
  Result<std::uint64_t> write(io::FileSystem& files, const std::string& directory) const override;
  const base::RowReader* row_reader() const noexcept override { return file_rows_.get(); }
  void drop(std::span<const std::byte> part) const noexcept override {
    if (file_ != nullptr) file_->drop(part);
  }
  void drop_vectors(std::uint32_t first, std::uint32_t last) const noexcept override;
  void drop_rows() const noexcept override {
    drop(vectors_);
    drop(metadata_);
  }

  // What the builder and open_segment() fill in, before anybody else sees the segment.
  void set_uuid(const base::Uuid& uuid) { uuid_ = uuid; }
  void set_vectors(std::span<const std::byte> bytes);
  void set_inverse_norms(std::span<const std::byte> bytes);
  void set_sequences(std::span<const std::byte> bytes) { sequences_ = bytes; }
  void set_ids(IdEncoding encoding, std::span<const std::byte> bytes);
  void set_id_table(std::span<const std::byte> bytes) { id_table_ = bytes; }
  void set_metadata(std::span<const std::byte> bytes) { metadata_ = bytes; }
  void set_graph(std::span<const std::byte> bytes) { graph_ = bytes; }
  void set_graph_damaged() { graph_damaged_ = true; }
  void set_codes(std::span<const std::byte> bytes) { codes_ = bytes; }
  void set_codes_damaged(std::uint64_t bytes) { damaged_codes_bytes_ = bytes; }
  void set_calibration(std::span<const std::byte> bytes) { calibration_ = bytes; }
  void set_calibration_damaged() { calibration_damaged_ = true; }
  void set_id_table_damaged() { id_table_damaged_ = true; }
  void set_file(std::shared_ptr<const io::MappedFile> file, std::string path) {
    file_ = std::move(file);
    path_ = std::move(path);
  }
  void set_file_rows(std::unique_ptr<const io::RandomReader> reader);
  void set_scratch(std::unique_ptr<io::ScratchMemory> scratch) { scratch_ = std::move(scratch); }
  void set_vector_checks(std::unique_ptr<BlockChecks> checks) { checks_ = std::move(checks); }
  // Makes the table of the ids in memory of its own. Returns the first row whose id came before.
  Result<std::optional<std::uint32_t>> build_id_table();
  std::span<std::byte> keep(base::Buffer buffer);
  void drop_last_kept() noexcept { buffers_.pop_back(); }

 private:
  bool cannot_be_read() const noexcept {
    return file_->unreadable() || (file_rows_ != nullptr && file_rows_->failed());
  }

  base::Uuid uuid_;
  SegmentSettings settings_;
  std::uint32_t rows_;
  IdEncoding id_encoding_ = IdEncoding::kIntegers;
  bool graph_damaged_ = false;
  bool calibration_damaged_ = false;
  bool id_table_damaged_ = false;
  std::span<const std::byte> vectors_, inverse_norms_, sequences_, id_bytes_, id_table_, metadata_,
      graph_, codes_, calibration_;
  IdSection ids_;
  const std::byte* vector_chunk_ = nullptr;
  const std::byte* norm_chunk_ = nullptr;
  base::RowTable vector_table_, norm_table_;
  std::uint64_t damaged_codes_bytes_ = 0;
  std::vector<base::Buffer> buffers_;
  std::shared_ptr<const io::MappedFile> file_;
  std::string path_;                     // of that file
  std::unique_ptr<BlockChecks> checks_;  // of the vectors; null: compared
  std::unique_ptr<const FileRows> file_rows_;
  std::unique_ptr<io::ScratchMemory> scratch_;  // has the vectors; null: others do
};

}  // namespace springg::storage
