// SPDX-License-Identifier: MIT
// Vectors as one byte an element, with a scale of its own for each: what a graph is walked on, so
// that a step reads a quarter of the bytes. Ranks from codes are estimates; whoever wants exact
// ones ranks the best of them again on the vectors.
//
// A row x is stored as y = x - c, c the mean of the segment's rows (of unit length for cosine):
// codes round(y / s) + 128 with s = max |y_i| / 127, then the factors that make a rank of the
// integer product with the query's codes. One formula for three metrics:
//
//   rank = base + add - factor * scale * sum code_i * query_i
//
//   cosine  base 1 - c.q, add 0, factor s          (q of unit length)
//   dot     base   - c.q, add 0, factor s
//   l2      base |q-c|^2, add |y|^2, factor 2s     (the query is q - c)
//
// Scale and additive term a vector: Aguerrebere et al., "Similarity search in the blink of an eye
// with compressed indices" (LVQ), 2023, section 3. Symmetric around zero here, since c is taken
// off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/row_table.h"
#include "springg/types.h"

namespace springg::quant {

// Codes of the rows of one segment, over bytes that someone else holds (64-byte aligned).
struct Int8Codes {
  std::uint32_t dimensions = 0;
  Metric metric = Metric::kCosine;
  const float* center = nullptr;  // dimensions
  const std::byte* rows = nullptr;
  std::size_t stride = 0;  // bytes a row: a multiple of 64

  const std::byte* row(std::uint32_t number) const noexcept { return rows + number * stride; }
};

// No codes for this metric (manhattan, hamming): they are not a product.
bool has_int8_codes(Metric metric) noexcept;
std::size_t int8_bytes(std::uint32_t dimensions, std::uint32_t rows) noexcept;
// A view of what encode_int8() wrote; none when the size is another.
std::optional<Int8Codes> open_int8(std::span<const std::byte> bytes, std::uint32_t rows,
                                   std::uint32_t dimensions, Metric metric) noexcept;

// The rows to encode.
struct Int8Source {
  Metric metric = Metric::kCosine;
  ScalarType dtype = ScalarType::kFloat32;
  std::uint32_t dimensions = 0;
  std::uint32_t rows = 0;
  base::RowTable vectors;
  base::RowTable inverse_norms;  // cosine: 1024 / |x| a row, as ann::Space has them
};

// Writes int8_bytes() bytes, zeroed before. begin() first; then rows, by any threads in disjoint
// ranges. Neither depends on the number of threads.
class Int8Encoder {
 public:
  // `bytes` outlives this. Sets the center, from at most 4,096 rows spread over all.
  Int8Encoder(const Int8Source& source, std::span<std::byte> bytes);
  // False when a row cannot have codes: elements beyond 1e15, or all of one below 1e-15 and not
  // zero. Then the codes are of no use.
  bool encode(std::uint32_t first, std::uint32_t last) const;

 private:
  void load(std::uint32_t row, float* out) const noexcept;

  const Int8Source source_;
  float* center_;
  std::byte* rows_;
  std::size_t stride_;
};

// A query made ready for the codes of one segment.
class Int8Query {
 public:
  // `query`: dimensions floats, of unit length for cosine.
  void prepare(const Int8Codes& codes, const float* query);
  // False for a query beyond what the arithmetic bears: search the vectors.
  bool usable() const noexcept { return usable_; }
  // ranks[i] = estimated rank of the row at rows[i], in the order of ann's ranks. count <= 128.
  void rank(const Int8Codes& codes, const std::byte* const* rows, std::size_t count,
            float* ranks) const noexcept;

 private:
  std::vector<std::int8_t> query_;  // padded with zeros
  std::vector<float> shifted_;
  float base_ = 0;
  float scale_ = 0;
  std::int32_t offset_ = 0;  // what the codes' offset adds to every product
  bool usable_ = false;
};

}  // namespace springg::quant
