// SPDX-License-Identifier: MIT
#include "springg/types.h"

#include <bit>
#include <cstring>

#include "base/uuid.h"

namespace springg {

static_assert(std::endian::native == std::endian::little,
              "springg's files and ids are little-endian; a big-endian machine needs conversions");

namespace {

template <class Enum>
struct Spelling {
  Enum value;
  std::string_view text;
};

constexpr Spelling<Metric> kMetrics[] = {{Metric::kCosine, "cosine"},
                                         {Metric::kDot, "dot"},
                                         {Metric::kL2, "l2"},
                                         {Metric::kManhattan, "manhattan"},
                                         {Metric::kHamming, "hamming"}};
constexpr Spelling<ScalarType> kScalarTypes[] = {{ScalarType::kFloat32, "float32"},
                                                 {ScalarType::kFloat16, "float16"},
                                                 {ScalarType::kInt8, "int8"},
                                                 {ScalarType::kUint8, "uint8"},
                                                 {ScalarType::kBinary, "binary"}};
constexpr Spelling<Quantization> kQuantizations[] = {{Quantization::kNone, "none"},
                                                     {Quantization::kAuto, "auto"},
                                                     {Quantization::kInt8, "int8"},
                                                     {Quantization::kInt4, "int4"},
                                                     {Quantization::kRabitq, "rabitq"}};

constexpr Spelling<Durability> kDurabilities[] = {{Durability::kBuffered, "buffered"},
                                                  {Durability::kProcess, "process"},
                                                  {Durability::kDisk, "disk"}};

template <class Enum, std::size_t N>
std::string_view spell(const Spelling<Enum> (&table)[N], Enum value) noexcept {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.text;
  }
  return "unknown";
}

template <class Enum, std::size_t N>
Result<Enum> parse(const Spelling<Enum> (&table)[N], std::string_view what, std::string_view text) {
  std::string accepted;
  for (const auto& entry : table) {
    if (entry.text == text) return entry.value;
    if (!accepted.empty()) accepted += ", ";
    accepted += entry.text;
  }
  return invalid_argument("unknown " + std::string(what) + ": expected one of " + accepted +
                          "; got '" + std::string(text) + "'");
}

}  // namespace

std::string_view to_string(Metric metric) noexcept { return spell(kMetrics, metric); }
std::string_view to_string(ScalarType type) noexcept { return spell(kScalarTypes, type); }
std::string_view to_string(Quantization quantization) noexcept {
  return spell(kQuantizations, quantization);
}
Result<Metric> parse_metric(std::string_view text) { return parse(kMetrics, "metric", text); }
Result<ScalarType> parse_scalar_type(std::string_view text) {
  return parse(kScalarTypes, "dtype", text);
}
Result<Quantization> parse_quantization(std::string_view text) {
  return parse(kQuantizations, "quantization", text);
}
std::string_view to_string(Durability durability) noexcept {
  return spell(kDurabilities, durability);
}
Result<Durability> parse_durability(std::string_view text) {
  return parse(kDurabilities, "durability", text);
}

std::size_t vector_bytes(ScalarType type, std::size_t dimensions) noexcept {
  switch (type) {
    case ScalarType::kFloat32: return dimensions * 4;
    case ScalarType::kFloat16: return dimensions * 2;
    case ScalarType::kInt8:
    case ScalarType::kUint8: return dimensions;
    case ScalarType::kBinary: return (dimensions + 7) / 8;
  }
  return 0;
}

float score_of_distance(Metric metric, float distance, std::size_t dimensions) noexcept {
  switch (metric) {
    case Metric::kCosine: return 1.0F - distance;
    case Metric::kDot: return -distance;
    case Metric::kL2:
    case Metric::kManhattan: return 1.0F / (1.0F + distance);
    case Metric::kHamming: return 1.0F - distance / static_cast<float>(dimensions);
  }
  return 0.0F;
}

std::uint64_t IdView::integer() const noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string describe(const IdView& id) {
  return id.kind == IdKind::kString ? "'" + std::string(id.bytes) + "'" : plain_text(id);
}

std::string plain_text(const IdView& id) {
  switch (id.kind) {
    case IdKind::kInteger: return std::to_string(id.integer());
    case IdKind::kString: return std::string(id.bytes);
    case IdKind::kUuid: {
      base::Uuid uuid;
      std::memcpy(uuid.bytes.data(), id.bytes.data(), uuid.bytes.size());
      return uuid.to_string();
    }
  }
  return "?";
}

std::size_t IdColumn::size() const noexcept {
  return all_integers() ? integers_.size() : mixed_ends_.size();
}

IdView IdColumn::operator[](std::size_t i) const noexcept {
  if (all_integers()) {
    return {IdKind::kInteger,
            {reinterpret_cast<const char*>(&integers_[i]), sizeof(std::uint64_t)}};
  }
  const std::uint64_t begin = i == 0 ? 0 : mixed_ends_[i - 1];
  return {mixed_kinds_[i], std::string_view(heap_).substr(begin, mixed_ends_[i] - begin)};
}

void IdColumn::append(const IdView& id) {
  if (id.kind == IdKind::kInteger && all_integers()) {
    integers_.push_back(id.integer());
    return;
  }
  if (all_integers()) become_mixed();
  heap_ += id.bytes;
  mixed_ends_.push_back(heap_.size());
  mixed_kinds_.push_back(id.kind);
}

void IdColumn::append_integer(std::uint64_t value) {
  append({IdKind::kInteger, {reinterpret_cast<const char*>(&value), sizeof value}});
}

void IdColumn::append_uuid(const std::array<std::uint8_t, 16>& bytes) {
  append({IdKind::kUuid, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
}

void IdColumn::become_mixed() {
  const std::vector<std::uint64_t> integers = std::exchange(integers_, {});
  mixed_ends_.reserve(integers.size() + 1);
  mixed_kinds_.reserve(integers.size() + 1);
  for (const std::uint64_t value : integers) {
    heap_.append(reinterpret_cast<const char*>(&value), sizeof value);
    mixed_ends_.push_back(heap_.size());
    mixed_kinds_.push_back(IdKind::kInteger);
  }
}

std::size_t IdColumn::memory_bytes() const noexcept {
  return integers_.capacity() * sizeof(std::uint64_t) +
         mixed_ends_.capacity() * sizeof(std::uint64_t) + mixed_kinds_.capacity() +
         heap_.capacity();
}

std::string_view MetadataColumn::text(std::size_t i) const noexcept {
  const std::uint64_t begin = i == 0 ? 0 : ends_[i - 1];
  return std::string_view(heap_).substr(begin, ends_[i] - begin);
}

void MetadataColumn::append(std::string_view json) {
  heap_ += json;
  ends_.push_back(heap_.size());
  present_.push_back(1);
}

void MetadataColumn::append_none() {
  ends_.push_back(heap_.size());
  present_.push_back(0);
}

std::size_t MetadataColumn::memory_bytes() const noexcept {
  return ends_.capacity() * sizeof(std::uint64_t) + present_.capacity() + heap_.capacity();
}

}  // namespace springg
