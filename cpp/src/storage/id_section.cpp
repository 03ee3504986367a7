// SPDX-License-Identifier: MIT
#include "storage/id_section.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "springg/options.h"

namespace springg::storage {

namespace {

constexpr std::size_t kIntegerBytes = 8;
constexpr std::size_t kUuidBytes = 16;

std::uint64_t mixed_heap_offset(std::uint32_t rows) noexcept {
  return (std::uint64_t{rows} + 1) * sizeof(std::uint64_t) + rows;
}

std::optional<Defect> check_length(std::uint64_t expected, std::size_t actual) {
  if (expected == actual) return std::nullopt;
  return Defect{
      std::min<std::uint64_t>(expected, actual),
      "bytes of ids: expected " + std::to_string(expected) + ", got " + std::to_string(actual)};
}

bool length_fits(IdKind kind, std::uint64_t bytes) noexcept {
  switch (kind) {
    case IdKind::kInteger: return bytes == kIntegerBytes;
    case IdKind::kString: return bytes >= 1 && bytes <= limits::kIdBytesMax;
    case IdKind::kUuid: return bytes == kUuidBytes;
  }
  return false;
}

std::optional<Defect> check_mixed(std::uint32_t rows, std::span<const std::byte> bytes) {
  const std::uint64_t heap_offset = mixed_heap_offset(rows);
  if (bytes.size() < heap_offset) return check_length(heap_offset, bytes.size());
  const auto offsets = elements<std::uint64_t>(bytes).first(std::size_t{rows} + 1);
  const auto kinds = bytes.subspan(offsets.size_bytes(), rows);
  const std::uint64_t heap_bytes = bytes.size() - heap_offset;
  if (offsets[0] != 0)
    return Defect{0, "first id: expected offset 0, got " + std::to_string(offsets[0])};
  for (std::uint32_t row = 0; row < rows; ++row) {
    const std::uint64_t end = offsets[row + 1];
    const auto kind = static_cast<IdKind>(kinds[row]);
    if (end < offsets[row] || end > heap_bytes || !length_fits(kind, end - offsets[row])) {
      return Defect{(std::uint64_t{row} + 1) * sizeof(std::uint64_t),
                    "id of row " + std::to_string(row) + " of kind " +
                        std::to_string(static_cast<unsigned>(kind)) + " reaches from " +
                        std::to_string(offsets[row]) + " to " + std::to_string(end) + " of " +
                        std::to_string(heap_bytes) + " bytes"};
    }
  }
  return check_length(heap_offset + offsets[rows], bytes.size());
}

Result<base::Buffer> encode_mixed(const IdColumn& ids, std::uint64_t id_bytes) {
  const auto rows = static_cast<std::uint32_t>(ids.size());
  const std::uint64_t heap_offset = mixed_heap_offset(rows);
  SPRINGG_ASSIGN_OR_RETURN(auto buffer, base::Buffer::allocate(heap_offset + id_bytes));
  const std::span<std::byte> out = buffer.span();
  std::uint64_t end = 0;
  for (std::uint32_t row = 0; row < rows; ++row) {
    const IdView id = ids[row];
    std::memcpy(out.data() + heap_offset + end, id.bytes.data(), id.bytes.size());
    end += id.bytes.size();
    store(out, (std::size_t{row} + 1) * sizeof(std::uint64_t), end);
    store(out, (std::size_t{rows} + 1) * sizeof(std::uint64_t) + row, id.kind);
  }
  return buffer;
}

std::size_t home_slot(const IdView& id, std::size_t slots) noexcept {
  return static_cast<std::size_t>(((hash_id(id) >> 32) * slots) >> 32);
}

}  // namespace

IdSection::IdSection(IdEncoding encoding, std::uint32_t rows,
                     std::span<const std::byte> bytes) noexcept
    : encoding_(encoding), rows_(rows), fixed_(reinterpret_cast<const char*>(bytes.data())) {
  if (encoding != IdEncoding::kMixed) return;
  offsets_ = reinterpret_cast<const std::uint64_t*>(bytes.data());
  kinds_ = reinterpret_cast<const std::uint8_t*>(offsets_ + std::size_t{rows} + 1);
  heap_ = fixed_ + mixed_heap_offset(rows);
}

IdView IdSection::operator[](std::uint32_t row) const noexcept {
  switch (encoding_) {
    case IdEncoding::kIntegers:
      return {IdKind::kInteger, {fixed_ + std::size_t{row} * kIntegerBytes, kIntegerBytes}};
    case IdEncoding::kUuids:
      return {IdKind::kUuid, {fixed_ + std::size_t{row} * kUuidBytes, kUuidBytes}};
    case IdEncoding::kMixed: break;
  }
  const std::uint64_t begin = load_once(offsets_ + row);
  const std::uint64_t end = load_once(offsets_ + row + 1);
  const auto kind = static_cast<IdKind>(load_once(kinds_ + row));
  // Zeros in the place of what cannot be read: no id has no bytes.
  if (end < begin || !length_fits(kind, end - begin)) return {};
  return {kind, {heap_ + begin, static_cast<std::size_t>(end - begin)}};
}

std::optional<Defect> IdSection::check(IdEncoding encoding, std::uint32_t rows,
                                       std::span<const std::byte> bytes) {
  switch (encoding) {
    case IdEncoding::kIntegers:
      return check_length(std::uint64_t{rows} * kIntegerBytes, bytes.size());
    case IdEncoding::kUuids: return check_length(std::uint64_t{rows} * kUuidBytes, bytes.size());
    case IdEncoding::kMixed: return check_mixed(rows, bytes);
  }
  return Defect{0, "unknown encoding of ids " + std::to_string(static_cast<unsigned>(encoding))};
}

Result<IdSection::Encoded> IdSection::encode(const IdColumn& ids) {
  Encoded encoded;
  bool all_uuids = !ids.empty();
  std::uint64_t id_bytes = 0;
  for (std::size_t row = 0; row < ids.size() && !ids.all_integers(); ++row) {
    const IdView id = ids[row];
    if (!length_fits(id.kind, id.bytes.size())) {
      return invalid_argument("id of row " + std::to_string(row) + ": expected 1 to " +
                              std::to_string(limits::kIdBytesMax) + " bytes, got " +
                              std::to_string(id.bytes.size()))
          .with("row", static_cast<std::int64_t>(row));
    }
    all_uuids = all_uuids && id.kind == IdKind::kUuid;
    id_bytes += id.bytes.size();
  }
  if (ids.all_integers()) {
    const auto integers = std::as_bytes(ids.integers());
    SPRINGG_ASSIGN_OR_RETURN(encoded.bytes, base::Buffer::allocate(integers.size()));
    if (!integers.empty()) std::memcpy(encoded.bytes.data(), integers.data(), integers.size());
    return encoded;
  }
  if (!all_uuids) {
    encoded.encoding = IdEncoding::kMixed;
    SPRINGG_ASSIGN_OR_RETURN(encoded.bytes, encode_mixed(ids, id_bytes));
    return encoded;
  }
  encoded.encoding = IdEncoding::kUuids;
  SPRINGG_ASSIGN_OR_RETURN(encoded.bytes, base::Buffer::allocate(id_bytes));
  for (std::size_t row = 0; row < ids.size(); ++row) {
    std::memcpy(encoded.bytes.data() + row * kUuidBytes, ids[row].bytes.data(), kUuidBytes);
  }
  return encoded;
}

std::optional<std::uint32_t> fill_id_table(const IdSection& ids, std::span<std::uint32_t> slots) {
  std::fill(slots.begin(), slots.end(), kEmptySlot);
  for (std::uint32_t row = 0; row < ids.rows(); ++row) {
    const IdView id = ids[row];
    std::size_t slot = home_slot(id, slots.size());
    while (slots[slot] != kEmptySlot) {
      if (ids[slots[slot]] == id) return row;
      slot = slot + 1 == slots.size() ? 0 : slot + 1;
    }
    slots[slot] = row;
  }
  return std::nullopt;
}

bool id_table_plausible(std::span<const std::uint32_t> slots, std::uint32_t rows) {
  if (slots.size() != id_table_slots(rows)) return false;
  std::vector<bool> seen(rows);
  std::uint32_t used = 0;
  for (const std::uint32_t row : slots) {
    if (row == kEmptySlot) continue;
    if (row >= rows || seen[row]) return false;
    seen[row] = true;
    ++used;
  }
  return used == rows;
}

std::optional<std::uint32_t> find_id(const IdSection& ids, std::span<const std::uint32_t> slots,
                                     const IdView& id) noexcept {
  if (slots.empty()) return std::nullopt;
  std::size_t slot = home_slot(id, slots.size());
  std::uint32_t before = kEmptySlot;
  for (std::size_t left = slots.size(); left != 0; --left) {
    const std::uint32_t row = load_once(slots.data() + slot);
    // A row lies in one slot. Equal ones side by side are zeros in the place of what cannot be
    // read.
    if (row == before || row >= ids.rows()) return std::nullopt;
    if (ids[row] == id) return row;
    before = row;
    slot = slot + 1 == slots.size() ? 0 : slot + 1;
  }
  return std::nullopt;
}

}  // namespace springg::storage
