// SPDX-License-Identifier: MIT
// Vectors as codes of a byte, half a byte or a bit an element: what a graph is walked on, so that a
// step reads a quarter of the bytes, an eighth or less. Ranks from codes are estimates; whoever
// wants exact ones ranks the best of them again on the vectors.
//
// A row x is stored as y = x - c, c the mean of the segment's rows (of unit length for cosine);
// where that makes smaller errors, y is rotated first (rotation.h). Its codes stand for levels u
// that are evenly spaced around zero, scaled for each row so that u points as nearly as it can in
// y's direction. With f = |y|^2 / <y, u> the product <q, y> is estimated as f <q, u>, and one
// formula serves three metrics:
//
//   rank = base + add - factor * scale * sum u_i * query_i
//
//   cosine  base 1 - c.q, add 0, factor f            (q of unit length)
//   dot     base   - c.q, add 0, factor f
//   l2      base |q-c|^2, add |y|^2, factor 2f       (the query is q - c)
//
// Errors are in proportion to the query's length. Those of codes of a bit are large, so that for
// cosine and dot their query is q - a c, which is the shortest with a = <q, c> / |c|^2, and add is
// -a <c, y>, of which a row has <c, y>.
//
// Scale and additive term a vector: Aguerrebere et al., "Similarity search in the blink of an eye
// with compressed indices" (LVQ), 2023, section 3. The estimate that has no bias, and choosing the
// scale by the angle: Gao et al., "Practical and asymptotically optimal quantization of
// high-dimensional vectors" (extended RaBitQ), 2024, section 3. Codes of a bit are always rotated:
// Gao & Long, "RaBitQ", 2024, section 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/row_table.h"
#include "quant/rotation.h"
#include "springg/types.h"

namespace springg::quant {

enum class CodeKind : std::uint8_t {
  kByte = 8,  // bits an element
  kHalfByte = 4,
  kBit = 1,
};

constexpr std::uint32_t codes_a_byte(CodeKind kind) noexcept {
  return 8 / static_cast<std::uint32_t>(kind);
}
// Levels are the odd numbers from -last to last; code i stands for 2i - last.
constexpr std::uint32_t last_level(CodeKind kind) noexcept {
  return (1U << static_cast<std::uint32_t>(kind)) - 1;
}

// The rows to encode.
struct CodeSource {
  Metric metric = Metric::kCosine;
  ScalarType dtype = ScalarType::kFloat32;
  std::uint32_t dimensions = 0;
  std::uint32_t rows = 0;
  base::RowTable vectors;
  base::RowTable inverse_norms;  // cosine: 1024 / |x| a row, as ann::Space has them
};

// Codes of the rows of one segment, over bytes that someone else holds (64-byte aligned).
struct Codes {
  CodeKind kind = CodeKind::kByte;
  Metric metric = Metric::kCosine;
  const Rotation* rotation = nullptr;  // of y; null: none
  std::uint32_t dimensions = 0;
  std::uint32_t padded = 0;        // elements of a row, those behind the dimensions are zero
  float error = 0;                 // root of the mean squared error of an element of y
  float length = 0;                // root of the mean of |y|^2
  const float* center = nullptr;   // dimensions
  const float* factors = nullptr;  // factor_width a row: factor, and where there is one add
  std::uint32_t factor_width = 1;
  const std::byte* rows = nullptr;
  std::size_t stride = 0;  // bytes a row: a multiple of 64

  const std::byte* row(std::uint32_t number) const noexcept { return rows + number * stride; }
  const float* factors_of(std::uint32_t number) const noexcept {
    return factors + std::size_t{number} * factor_width;
  }
};

// No codes for this metric (manhattan, hamming): they are not a product.
bool has_codes(Metric metric) noexcept;
std::size_t codes_bytes(CodeKind kind, Metric metric, std::uint32_t dimensions,
                        std::uint32_t rows) noexcept;
// Whether each row has an additive term.
constexpr bool has_add(CodeKind kind, Metric metric) noexcept {
  return metric == Metric::kL2 || kind == CodeKind::kBit;
}
// A view of what an Encoder wrote; none when it is of another size, shape or kind.
std::optional<Codes> open_codes(std::span<const std::byte> bytes, Metric metric,
                                std::uint32_t dimensions, std::uint32_t rows);

// How the bytes are laid out: a header of 64 bytes, the center, the factors, the rows, each at a
// multiple of 64 bytes.
struct CodeLayout {
  CodeLayout(CodeKind kind, Metric metric, std::uint32_t dimensions, std::uint32_t rows) noexcept;

  std::uint32_t padded;
  std::uint32_t factor_width;
  std::size_t stride;
  std::size_t center_at, factors_at, rows_at, bytes;
};

// The header, as it is written: never change it, but for its version.
struct CodeHeader {
  static constexpr std::uint32_t kMagic = 0x4543'4753;  // "SGCE"
  static constexpr std::uint8_t kVersion = 1;

  std::uint32_t magic = kMagic;
  std::uint8_t version = kVersion;
  CodeKind kind = CodeKind::kByte;
  Metric metric = Metric::kCosine;
  std::uint8_t rotated = 0;
  std::uint32_t dimensions = 0;
  std::uint32_t rows = 0;
  float error = 0;
  float length = 0;
  std::byte reserved[40] = {};
};
static_assert(sizeof(CodeHeader) == 64);

}  // namespace springg::quant
