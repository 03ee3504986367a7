// SPDX-License-Identifier: MIT
#include "quant/codes.h"

#include <cmath>
#include <cstring>

#include "kernels/distance_table.h"

namespace springg::quant {

namespace {

constexpr std::size_t kAlignment = kernels::kCodeBlockBytes;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

bool is_kind(CodeKind kind) {
  return kind == CodeKind::kByte || kind == CodeKind::kHalfByte || kind == CodeKind::kBit;
}

}  // namespace

bool has_codes(Metric metric) noexcept {
  return metric == Metric::kCosine || metric == Metric::kDot || metric == Metric::kL2;
}

CodeLayout::CodeLayout(CodeKind kind, Metric metric, std::uint32_t dimensions,
                       std::uint32_t rows) noexcept {
  const std::uint32_t together = codes_a_byte(kind);
  stride = aligned((dimensions + together - 1) / together);
  padded = static_cast<std::uint32_t>(stride) * together;
  factor_width = has_add(kind, metric) ? 2 : 1;
  center_at = sizeof(CodeHeader);
  factors_at = center_at + aligned(dimensions * sizeof(float));
  rows_at = factors_at + aligned(std::size_t{rows} * factor_width * sizeof(float));
  bytes = rows_at + std::size_t{rows} * stride;
}

std::size_t codes_bytes(CodeKind kind, Metric metric, std::uint32_t dimensions,
                        std::uint32_t rows) noexcept {
  return CodeLayout(kind, metric, dimensions, rows).bytes;
}

std::optional<Codes> open_codes(std::span<const std::byte> bytes, Metric metric,
                                std::uint32_t dimensions, std::uint32_t rows) {
  CodeHeader header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != CodeHeader::kMagic || header.version != CodeHeader::kVersion ||
      !is_kind(header.kind) || header.metric != metric || header.dimensions != dimensions ||
      header.rows != rows || !std::isfinite(header.error) || !std::isfinite(header.length)) {
    return std::nullopt;
  }
  const CodeLayout layout(header.kind, metric, dimensions, rows);
  if (bytes.size() != layout.bytes) return std::nullopt;
  Codes codes;
  codes.kind = header.kind;
  codes.metric = metric;
  codes.rotation = header.rotated == 0 ? nullptr : &Rotation::of(layout.padded);
  codes.dimensions = dimensions;
  codes.padded = layout.padded;
  codes.error = header.error;
  codes.length = header.length;
  codes.center = reinterpret_cast<const float*>(bytes.data() + layout.center_at);
  codes.factors = reinterpret_cast<const float*>(bytes.data() + layout.factors_at);
  codes.factor_width = layout.factor_width;
  codes.rows = bytes.data() + layout.rows_at;
  codes.stride = layout.stride;
  return codes;
}

}  // namespace springg::quant
