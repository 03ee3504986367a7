// SPDX-License-Identifier: MIT
// The ids of a segment in one of three encodings, and the hash table that finds a row by its id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/buffer.h"
#include "springg/status.h"
#include "springg/types.h"
#include "storage/bytes.h"

namespace springg::storage {

// Written to disk: never change a number.
enum class IdEncoding : std::uint32_t {
  kIntegers = 1,  // u64 a row
  kUuids = 2,     // 16 bytes a row
  kMixed = 3,     // u64 offset of each row's bytes and of their end, kind byte a row, bytes
};

class IdSection {
 public:
  IdSection() noexcept = default;
  // `bytes` must have passed check() or come from encode().
  IdSection(IdEncoding encoding, std::uint32_t rows, std::span<const std::byte> bytes) noexcept;

  static std::optional<Defect> check(IdEncoding encoding, std::uint32_t rows,
                                     std::span<const std::byte> bytes);
  struct Encoded {
    IdEncoding encoding = IdEncoding::kIntegers;
    base::Buffer bytes;
  };
  // kInvalidArgument for an id of 0 or more than kIdBytesMax bytes.
  static Result<Encoded> encode(const IdColumn& ids);

  std::uint32_t rows() const noexcept { return rows_; }
  // Of a mapped section that cannot be read any more: some id, or one of no bytes.
  IdView operator[](std::uint32_t row) const noexcept;

 private:
  IdEncoding encoding_ = IdEncoding::kIntegers;
  std::uint32_t rows_ = 0;
  const char* fixed_ = nullptr;  // kIntegers, kUuids
  const std::uint64_t* offsets_ = nullptr;
  const std::uint8_t* kinds_ = nullptr;
  const char* heap_ = nullptr;
};

// XXH3 of the kind's byte and the id's bytes. Part of the format.
std::uint64_t hash_id(const IdView& id) noexcept;

// Open addressing with linear probing: slots hold row numbers or kEmptySlot.
inline constexpr std::uint32_t kEmptySlot = 0xffff'ffffU;
// Half of the slots stay empty; one at least, so that a search ends.
constexpr std::uint64_t id_table_slots(std::uint32_t rows) noexcept {
  return rows == 0 ? 1 : std::uint64_t{rows} * 2;
}
// Enters the rows in ascending order into a table of id_table_slots(). Returns the first row whose
// id an earlier row has.
std::optional<std::uint32_t> fill_id_table(const IdSection& ids, std::span<std::uint32_t> slots);
// Every row once, by number; whether each lies where its hash says is left to the checksum.
bool id_table_plausible(std::span<const std::uint32_t> slots, std::uint32_t rows);
// Ends with a row or none whatever became of a mapped table after it was found plausible.
std::optional<std::uint32_t> find_id(const IdSection& ids, std::span<const std::uint32_t> slots,
                                     const IdView& id) noexcept;

}  // namespace springg::storage
