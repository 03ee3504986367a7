// SPDX-License-Identifier: MIT
// A segment: rows of one index that never change, with their graph. In memory it is a set of
// sections; on disk one file of the same sections (docs/format.md), mapped when opened. Storage
// knows bytes and records: the graph is an opaque, derived section.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/row_reader.h"
#include "base/row_table.h"
#include "base/uuid.h"
#include "io/file_system.h"
#include "springg/status.h"
#include "springg/types.h"

namespace springg::storage {

struct SegmentSettings {
  std::uint32_t dimensions = 0;
  Metric metric = Metric::kCosine;
  ScalarType dtype = ScalarType::kFloat32;

  bool operator==(const SegmentSettings&) const = default;
};

// Immutable. Any thread. Vectors are tightly packed, in row order; ids and metadata likewise.
//
// Any page of a mapped one may turn to zeros when its file is truncated or the disk fails. What the
// methods return then is wrong, but no text reaches outside the segment, no row is above rows(),
// and each call ends. So read, then ask unreadable(), and only then believe what was read.
class Segment {
 public:
  virtual ~Segment() = default;

  virtual const base::Uuid& uuid() const noexcept = 0;
  virtual const SegmentSettings& settings() const noexcept = 0;
  virtual std::uint32_t rows() const noexcept = 0;

  virtual const base::RowTable& vectors() const noexcept = 0;
  virtual const base::RowTable& inverse_norms() const noexcept = 0;       // cosine only
  virtual std::span<const std::uint64_t> sequences() const noexcept = 0;  // ascending
  virtual IdView id(std::uint32_t row) const noexcept = 0;
  // The row with this id. O(1) expected, through the segment's own hash table.
  virtual std::optional<std::uint32_t> find(const IdView& id) const noexcept = 0;
  virtual bool has_metadata(std::uint32_t row) const noexcept = 0;
  virtual std::string_view metadata(std::uint32_t row) const noexcept = 0;  // JSON text
  // Empty when there is none, or when its checksum failed (it is derived: build it again).
  virtual std::span<const std::byte> graph() const noexcept = 0;
  virtual bool graph_damaged() const noexcept = 0;
  // The same for codes of the vectors, opaque as well. Of damaged ones the size is still known; 0:
  // they are not damaged.
  virtual std::span<const std::byte> codes() const noexcept = 0;
  virtual std::uint64_t damaged_codes_bytes() const noexcept = 0;
  // What the graph was measured to need, opaque too. Empty when there is none or it is damaged: it
  // costs time to do without, and recall at default settings, but no answer.
  virtual std::span<const std::byte> calibration() const noexcept = 0;
  virtual bool calibration_damaged() const noexcept = 0;
  // Its table was not to be used: find() works with one that was made again.
  virtual bool id_table_damaged() const noexcept = 0;

  struct Bytes {
    std::uint64_t vectors = 0, graph = 0, codes = 0, ids = 0, metadata = 0, other = 0;
  };
  virtual Bytes bytes() const noexcept = 0;
  // Reads vectors beside the mapping, so that their pages are not this process's memory; null: they
  // are to be read where they are mapped. Until the segment dies.
  virtual const base::RowReader* row_reader() const noexcept = 0;
  // A hint: pages of a mapped one that hold these bytes of it may leave this process's memory.
  virtual void drop(std::span<const std::byte> part) const noexcept = 0;
  // The same for the vectors of rows [first, last), and for all vectors and documents.
  virtual void drop_vectors(std::uint32_t first, std::uint32_t last) const noexcept = 0;
  virtual void drop_rows() const noexcept = 0;
  virtual bool mapped() const noexcept = 0;               // from a file; else memory of its own
  virtual std::uint64_t file_bytes() const noexcept = 0;  // of that file; else 0
  // Whether the vectors' checksums were compared, all of them. Of a large file they are not when it
  // is opened. A load.
  virtual bool compared() const noexcept = 0;
  // Before the vectors of rows [first, last) are believed: compares the blocks that they lie in and
  // that were not yet. What differs makes the segment unreadable(). A load when compared(), else
  // reads whole blocks of 64 KiB, each once.
  virtual void compare_vectors(std::uint32_t first, std::uint32_t last) const noexcept = 0;
  // Whether a part of the file could not be read, or was found to differ from its checksum: all
  // that was read of the segment is in doubt. It stays so. A few loads.
  virtual bool unreadable() const noexcept = 0;
  // kCorruption naming the file, and the offset where it is known, when it is.
  virtual Status check_readable() const = 0;

  // Writes `<uuid>.segment` into the directory: temporary file, sync, rename. The caller syncs the
  // directory. Returns the file's size. kResourceExhausted on a full disk, kIoError.
  virtual Result<std::uint64_t> write(io::FileSystem& files,
                                      const std::string& directory) const = 0;
};

std::string segment_file_name(const base::Uuid& uuid);

// For open_segment(): the checksums of all vectors are compared at once.
inline constexpr std::uint64_t kCompareAll = std::numeric_limits<std::uint64_t>::max();

// Maps and verifies `<uuid>.segment`: header, every block's checksum, every length, offset and
// count. Damage: kCorruption naming file and offset (in a derived section: graph_damaged()).
// `expected_bytes`: the size the manifest has. Vectors of `compare_later_bytes` or more are left to
// compare_vectors(). kLean: what is read of the file to verify it leaves the process's memory
// again, and there is a row_reader(), where the file system has one.
enum class Residency { kMapped, kLean };
Result<std::shared_ptr<const Segment>> open_segment(io::FileSystem& files,
                                                    const std::string& directory,
                                                    const base::Uuid& uuid,
                                                    std::uint64_t expected_bytes,
                                                    std::uint64_t compare_later_bytes = kCompareAll,
                                                    Residency residency = Residency::kMapped);

// Fills a segment in memory. Sizes are known when it is made, memory is taken once; then the
// columns are filled in place and finish() makes them immutable. One thread, but columns may be
// filled by many threads in disjoint ranges.
class SegmentBuilder {
 public:
  virtual ~SegmentBuilder() = default;
  // `scratch` (may be null; as large as the vectors): where the vectors lie until finish()'s
  // segment dies. Else they are in memory of its own.
  static Result<std::unique_ptr<SegmentBuilder>> create(
      const SegmentSettings& settings, std::uint32_t rows,
      std::unique_ptr<io::ScratchMemory> scratch = nullptr);

  virtual std::byte* vectors() noexcept = 0;        // rows x vector_bytes, zeroed
  virtual float* inverse_norms() noexcept = 0;      // rows (cosine), else null
  virtual std::uint64_t* sequences() noexcept = 0;  // rows
  virtual const base::RowTable& vector_table() const noexcept = 0;
  virtual const base::RowTable& inverse_norm_table() const noexcept = 0;
  // Exactly `rows` distinct ids / entries. Metadata texts are valid compact JSON objects.
  virtual Status set_ids(const IdColumn& ids) = 0;
  virtual Status set_metadata(const MetadataColumn& metadata) = 0;  // optional
  // Room for the graph's image (64-byte aligned), filled by the caller. Optional.
  virtual Result<std::span<std::byte>> allocate_graph(std::size_t bytes) = 0;
  // The same for codes, zeroed. drop_codes() at once when they came to nothing.
  virtual Result<std::span<std::byte>> allocate_codes(std::size_t bytes) = 0;
  virtual void drop_codes() noexcept = 0;
  virtual Status set_calibration(std::span<const std::byte> bytes) = 0;  // optional; copied
  // Looks a row up before finish() (ids must be set).
  virtual std::optional<std::uint32_t> find(const IdView& id) const noexcept = 0;
  virtual Result<std::shared_ptr<const Segment>> finish() = 0;  // new random uuid; once
};

}  // namespace springg::storage
