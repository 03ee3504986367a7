// SPDX-License-Identifier: MIT
#include "engine/segment_codes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "engine/poller.h"
#include "quant/encoder.h"

namespace springg::engine {

namespace {

constexpr std::uint32_t kRowsPerTask = 4096;
// Up to here a row of either codes is the 64 bytes that memory is read in: whole bytes are better.
constexpr std::size_t kByteDimensionsMax = 64;
// Up to here a row of bits is as long as one of half bytes.
constexpr std::size_t kNoBitDimensionsMax = 128;
// With fewer dimensions than this, what codes of half a byte save is lost in exact ranking.
constexpr std::size_t kHalfByteDimensionsMin = 128;

// Below this a vector is hardly longer than a row of codes.
constexpr std::uint32_t kBuildDimensionsMin = 64;

quant::CodeSource source_of(const ann::Space& space, std::uint32_t rows) {
  return {space.metric, space.dtype, space.dimensions, rows, space.vectors, space.inverse_norms};
}

// Whether all rows could have codes.
Result<bool> encode_all(const quant::Encoder& encoder, std::uint32_t rows, base::Executor& executor,
                        Progress* progress) {
  Poller poller(progress, rows);
  std::atomic<bool> whole{true};
  executor.run((rows + kRowsPerTask - 1) / kRowsPerTask, [&](std::size_t task, unsigned) {
    if (!poller.advance(0)) return;
    const auto first = static_cast<std::uint32_t>(task) * kRowsPerTask;
    if (!encoder.encode(first, std::min(rows, first + kRowsPerTask))) whole.store(false);
  });
  SPRINGG_RETURN_IF_ERROR(poller.status());
  return whole.load();
}

}  // namespace

bool can_have_codes(Metric metric, ScalarType dtype) noexcept {
  return quant::has_codes(metric) && !ann::is_byte_dtype(dtype);
}

std::optional<quant::CodeKind> kind_of_codes(const IndexOptions& options) {
  switch (options.quantization) {
    case Quantization::kNone: return std::nullopt;
    case Quantization::kInt8: return quant::CodeKind::kByte;
    case Quantization::kRabitq:
      if (options.dimensions > kNoBitDimensionsMax) return quant::CodeKind::kBit;
      [[fallthrough]];
    case Quantization::kInt4:
      return options.dimensions <= kByteDimensionsMax ? quant::CodeKind::kByte
                                                      : quant::CodeKind::kHalfByte;
    case Quantization::kAuto: break;
  }
  if (!can_have_codes(options.metric, options.dtype)) return std::nullopt;
  return options.dimensions < kHalfByteDimensionsMin ? quant::CodeKind::kByte
                                                     : quant::CodeKind::kHalfByte;
}

Status prepare_search(storage::SegmentBuilder& builder, const ann::Space& space,
                      std::span<const std::byte> graph, std::uint32_t rows,
                      const IndexOptions& options, base::Executor& executor, Progress* progress) {
  std::optional<quant::Codes> codes;
  if (const auto kind = kind_of_codes(options)) {
    SPRINGG_ASSIGN_OR_RETURN(
        const std::span<std::byte> bytes,
        builder.allocate_codes(quant::codes_bytes(*kind, space.metric, space.dimensions, rows)));
    const quant::Encoder encoder(source_of(space, rows), *kind, bytes);
    SPRINGG_ASSIGN_OR_RETURN(const bool whole, encode_all(encoder, rows, executor, progress));
    if (whole) codes = quant::open_codes(bytes, space.metric, space.dimensions, rows);
    // Of rows that are all equal codes say nothing.
    if (codes.has_value() && codes->length == 0) codes.reset();
    if (!codes.has_value()) builder.drop_codes();
  }
  SPRINGG_ASSIGN_OR_RETURN(const ann::SealedGraph sealed, ann::SealedGraph::open(graph, rows));
  std::array<std::byte, ann::Calibration::kBytes> calibration{};
  ann::Calibration::measure(sealed, space, codes.has_value() ? &*codes : nullptr, executor)
      .write(calibration);
  return builder.set_calibration(calibration);
}

Result<std::optional<quant::Codes>> codes_to_build_on(const ann::Space& space, std::uint32_t rows,
                                                      base::Executor& executor, Progress* progress,
                                                      base::Buffer& buffer) {
  std::optional<quant::Codes> codes;
  if (!can_have_codes(space.metric, space.dtype)) return codes;
  if (space.dimensions < kBuildDimensionsMin) return codes;
  constexpr quant::CodeKind kKind = quant::CodeKind::kByte;
  auto allocated =
      base::Buffer::allocate(quant::codes_bytes(kKind, space.metric, space.dimensions, rows));
  if (!allocated.ok()) return codes;
  buffer = std::move(allocated).value();
  const quant::Encoder encoder(source_of(space, rows), kKind, buffer.span());
  SPRINGG_ASSIGN_OR_RETURN(const bool whole, encode_all(encoder, rows, executor, progress));
  if (whole) {
    codes = quant::open_codes(buffer.span(), space.metric, space.dimensions, rows);
  }
  return codes;
}

Result<std::optional<base::Buffer>> remake_codes(const ann::Space& space, std::uint32_t rows,
                                                 std::uint64_t bytes) {
  using quant::CodeKind;
  const auto bytes_of = [&](CodeKind kind) {
    return quant::codes_bytes(kind, space.metric, space.dimensions, rows);
  };
  // Where several are as long it is the one of most bits (kind_of_codes()).
  CodeKind kind = CodeKind::kByte;
  for (const CodeKind tried : {CodeKind::kBit, CodeKind::kHalfByte, CodeKind::kByte}) {
    if (bytes == bytes_of(tried)) kind = tried;
  }
  SPRINGG_ASSIGN_OR_RETURN(auto buffer, base::Buffer::allocate(bytes_of(kind)));
  const quant::Encoder encoder(source_of(space, rows), kind, buffer.span());
  if (!encoder.encode(0, rows)) return std::optional<base::Buffer>();
  return std::optional<base::Buffer>(std::move(buffer));
}

}  // namespace springg::engine
