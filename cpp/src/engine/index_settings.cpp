// SPDX-License-Identifier: MIT
#include <string>

#include "ann/space.h"
#include "engine/row_input.h"
#include "quant/codes.h"

namespace springg::engine {

namespace {

bool name_character(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

std::string printable(std::string_view name) {
  std::string text;
  for (const char c : name.substr(0, 64)) text += c >= ' ' && c <= '~' ? c : '?';
  return text;
}

Status check_range(const char* what, std::size_t value, std::size_t low, std::size_t high) {
  if (value >= low && value <= high) return {};
  return invalid_argument(std::string(what) + " out of range: expected " + std::to_string(low) +
                          ".." + std::to_string(high) + ", got " + std::to_string(value));
}

}  // namespace

Status check_index_name(std::string_view name) {
  if (name.empty() || name.size() > limits::kIndexNameBytesMax) {
    return invalid_argument("index name out of range: expected 1.." +
                            std::to_string(limits::kIndexNameBytesMax) + " characters, got " +
                            std::to_string(name.size()));
  }
  if (name.front() == '.') {
    return invalid_argument("index name must not start with a dot: got '" + printable(name) + "'");
  }
  for (const char c : name) {
    if (name_character(c)) continue;
    return invalid_argument("index name has a character outside A-Z a-z 0-9 . _ -: got '" +
                            printable(name) + "'");
  }
  return {};
}

Status check_index_options(const IndexOptions& options) {
  SPRINGG_RETURN_IF_ERROR(check_range("dimensions", options.dimensions, 1, limits::kDimensionsMax));
  SPRINGG_RETURN_IF_ERROR(check_range("m", options.m, limits::kMMin, limits::kMMax));
  SPRINGG_RETURN_IF_ERROR(check_range("ef_construction", options.ef_construction,
                                      limits::kEfConstructionMin, limits::kEfConstructionMax));
  const std::string metric(to_string(options.metric));
  const std::string dtype(to_string(options.dtype));
  if ((options.metric == Metric::kHamming) != (options.dtype == ScalarType::kBinary)) {
    return unsupported("metric " + metric + " is not supported for dtype " + dtype +
                       ": hamming goes with binary and binary with hamming");
  }
  const bool codes =
      options.quantization != Quantization::kNone && options.quantization != Quantization::kAuto;
  if (codes && ann::is_byte_dtype(options.dtype)) {
    return unsupported("quantization " + std::string(to_string(options.quantization)) +
                       " is not supported for dtype " + dtype +
                       ", whose rows are as short as codes: expected none or auto");
  }
  if (codes && !quant::has_codes(options.metric)) {
    return unsupported("quantization " + std::string(to_string(options.quantization)) +
                       " is not supported for metric " + metric + ": expected none or auto");
  }
  return {};
}

}  // namespace springg::engine
