// SPDX-License-Identifier: MIT
// Values that cross the API: metrics, scalar types, ids, views of the caller's vectors, columns of
// ids and metadata.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "springg/status.h"

namespace springg {

// Written to disk: never change a number.
enum class Metric : std::uint8_t { kCosine = 1, kDot = 2, kL2 = 3, kManhattan = 4, kHamming = 5 };
enum class ScalarType : std::uint8_t {
  kFloat32 = 1,
  kFloat16 = 2,
  kInt8 = 3,
  kUint8 = 4,
  kBinary = 5
};
enum class Quantization : std::uint8_t { kNone = 1, kAuto = 2, kInt8 = 3, kInt4 = 4, kRabitq = 5 };

// What a write survives once its call has returned; each level holds what the one before holds.
enum class Durability : std::uint8_t {
  kBuffered = 1,  // nothing: it is in this process's memory, and on the disk some 50 ms later
  kProcess = 2,   // the end of the process, by a crash or kill -9; a power cut may lose some 50 ms
  kDisk = 3       // a power cut: it was synced before the call returned
};

std::string_view to_string(Metric metric) noexcept;
std::string_view to_string(ScalarType type) noexcept;
std::string_view to_string(Quantization quantization) noexcept;
std::string_view to_string(Durability durability) noexcept;
// The error names the accepted spellings.
Result<Metric> parse_metric(std::string_view text);
Result<ScalarType> parse_scalar_type(std::string_view text);
Result<Quantization> parse_quantization(std::string_view text);
Result<Durability> parse_durability(std::string_view text);

// Bytes that one stored vector takes.
std::size_t vector_bytes(ScalarType type, std::size_t dimensions) noexcept;

// Higher is better: cos, dot, 1/(1+distance), 1-bits/dimensions.
float score_of_distance(Metric metric, float distance, std::size_t dimensions) noexcept;

// The caller's rows, not owned: float32, or bytes as an index of kInt8, kUint8 or kBinary keeps
// them. For kBinary `dimensions` counts bits, eight a byte, the first in a byte's highest bit
// (numpy.packbits); bits of the last byte beyond `dimensions` must be zero.
struct MatrixView {
  const float* data = nullptr;  // null when `type` is not kFloat32
  std::size_t rows = 0;
  std::size_t dimensions = 0;
  std::size_t row_stride = 0;  // in floats or in bytes; at least a row's
  ScalarType type = ScalarType::kFloat32;
  const std::byte* bytes = nullptr;  // null when `type` is kFloat32

  const float* row(std::size_t i) const noexcept { return data + i * row_stride; }
  const std::byte* row_bytes(std::size_t i) const noexcept { return bytes + i * row_stride; }
};

// Written to disk: never change a number.
enum class IdKind : std::uint8_t { kInteger = 1, kString = 2, kUuid = 3 };

// One id, not owned. `bytes` is the canonical form: 8 bytes little-endian (kInteger), UTF-8
// (kString), 16 bytes in RFC 9562 order (kUuid). Two ids are equal when kind and bytes are.
struct IdView {
  IdKind kind = IdKind::kString;
  std::string_view bytes;

  bool operator==(const IdView&) const noexcept = default;
  std::uint64_t integer() const noexcept;  // kInteger only
};

// As a person would write it: 42, 'doc-1', uuid text. For messages.
std::string describe(const IdView& id);
// The same without quotes, for programs: 42, doc-1, uuid text.
std::string plain_text(const IdView& id);

// An owned, append-only list of ids. All-integer lists take 8 bytes an id; others take the id's
// bytes and 9 more. Not thread-safe while appended to; any number of readers afterwards.
class IdColumn {
 public:
  std::size_t size() const noexcept;
  bool empty() const noexcept { return size() == 0; }
  IdView operator[](std::size_t i) const noexcept;
  void append(const IdView& id);
  void append_integer(std::uint64_t value);
  void append_string(std::string_view utf8) { append({IdKind::kString, utf8}); }
  void append_uuid(const std::array<std::uint8_t, 16>& bytes);
  void reserve(std::size_t ids) { integers_.reserve(ids); }
  // True when every id is an integer (also when empty); then integers() has them all.
  bool all_integers() const noexcept { return mixed_ends_.empty(); }
  std::span<const std::uint64_t> integers() const noexcept { return integers_; }
  std::size_t memory_bytes() const noexcept;

 private:
  void become_mixed();
  std::vector<std::uint64_t> integers_;
  std::vector<std::uint64_t> mixed_ends_;  // end of id i in heap_; used once a non-integer came
  std::vector<IdKind> mixed_kinds_;
  std::string heap_;
};

// Metadata of many rows: compact JSON text of one object a row, or nothing. Owned, append-only.
class MetadataColumn {
 public:
  std::size_t size() const noexcept { return ends_.size(); }
  bool has(std::size_t i) const noexcept { return present_[i] != 0; }
  std::string_view text(std::size_t i) const noexcept;  // empty when there is none
  void append(std::string_view json);
  void append_none();
  std::size_t memory_bytes() const noexcept;

 private:
  std::vector<std::uint64_t> ends_;
  std::vector<std::uint8_t> present_;
  std::string heap_;
};

}  // namespace springg
