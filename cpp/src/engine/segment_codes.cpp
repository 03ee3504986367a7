// SPDX-License-Identifier: MIT
#include "engine/segment_codes.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace springg::engine {

namespace {

constexpr std::uint32_t kRowsPerTask = 4096;

}  // namespace

Status make_codes(storage::SegmentBuilder& builder, std::uint32_t rows, const IndexOptions& options,
                  base::Executor& executor) {
  if (options.quantization != Quantization::kInt8) return {};
  const auto dimensions = static_cast<std::uint32_t>(options.dimensions);
  SPRINGG_ASSIGN_OR_RETURN(const std::span<std::byte> bytes,
                           builder.allocate_codes(quant::int8_bytes(dimensions, rows)));
  const quant::Int8Encoder encoder({options.metric, options.dtype, dimensions, rows,
                                    builder.vector_table(), builder.inverse_norm_table()},
                                   bytes);
  std::atomic<bool> whole{true};
  executor.run((rows + kRowsPerTask - 1) / kRowsPerTask, [&](std::size_t task, unsigned) {
    const auto first = static_cast<std::uint32_t>(task) * kRowsPerTask;
    if (!encoder.encode(first, std::min(rows, first + kRowsPerTask))) whole.store(false);
  });
  if (!whole.load()) builder.drop_codes();
  return {};
}

Result<std::optional<base::Buffer>> remake_codes(const ann::Space& space, std::uint32_t rows) {
  SPRINGG_ASSIGN_OR_RETURN(auto buffer,
                           base::Buffer::allocate(quant::int8_bytes(space.dimensions, rows)));
  const quant::Int8Encoder encoder(
      {space.metric, space.dtype, space.dimensions, rows, space.vectors, space.inverse_norms},
      buffer.span());
  if (!encoder.encode(0, rows)) return std::optional<base::Buffer>();
  return std::optional<base::Buffer>(std::move(buffer));
}

}  // namespace springg::engine
