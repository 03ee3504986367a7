// SPDX-License-Identifier: MIT
#include "storage/metadata_json.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "springg/options.h"
#include "storage/json_fault.h"

namespace springg::storage {

namespace {

// White space included: bounds what one document makes a thread allocate.
constexpr std::size_t kTextBytesMax = 16 * limits::kMetadataBytesMax;

Status refused(std::string_view text, simdjson::error_code error) {
  if (error == simdjson::MEMALLOC) return resource_exhausted("no memory to parse metadata");
  // The parser stops without a place; the scanner must find the same fault, but for a bug.
  const Defect fault = find_json_fault(text, limits::kMetadataDepthMax)
                           .value_or(Defect{0, simdjson::error_message(error)});
  return invalid_argument("metadata is not a JSON object: " + fault.what + " at byte " +
                          std::to_string(fault.offset))
      .with("offset", static_cast<std::int64_t>(fault.offset));
}

Status too_long(std::size_t limit, std::size_t actual) {
  return invalid_argument("metadata is too long: expected at most " + std::to_string(limit) +
                          " bytes, got " + std::to_string(actual));
}

// The parser does not count the level of an empty object or array.
bool may_be_too_deep(std::string_view text) {
  const auto opening =
      std::count(text.begin(), text.end(), '{') + std::count(text.begin(), text.end(), '[');
  return static_cast<std::size_t>(opening) > limits::kMetadataDepthMax;
}

class ThreadParser {
 public:
  simdjson::error_code parse(std::string_view text) {
    if (parser_.max_depth() != kParserDepth) {
      if (const auto error = parser_.allocate(kFirstCapacity, kParserDepth)) return error;
    }
    if (padded_.size() < text.size() + simdjson::SIMDJSON_PADDING) {
      padded_.resize(text.size() + simdjson::SIMDJSON_PADDING);
    }
    std::memcpy(padded_.data(), text.data(), text.size());
    simdjson::dom::element root;
    const auto error = parser_.parse(padded_.data(), text.size(), false).get(root);
    if (error != simdjson::SUCCESS) return error;
    return root.is_object() ? simdjson::SUCCESS : simdjson::INCORRECT_TYPE;
  }

  // Of the text parsed last, which was good.
  void append_compact(std::size_t bytes, std::string& out) {
    const std::size_t begin = out.size();
    out.resize(begin + bytes + simdjson::SIMDJSON_PADDING);
    std::size_t length = 0;
    const auto error = simdjson::minify(padded_.data(), bytes, out.data() + begin, length);
    out.resize(begin + (error == simdjson::SUCCESS ? length : 0));
  }

 private:
  static constexpr std::size_t kFirstCapacity = 4'096;
  // The document itself is the parser's first level.
  static constexpr std::size_t kParserDepth = limits::kMetadataDepthMax + 1;

  simdjson::dom::parser parser_;
  std::vector<char> padded_;
};

}  // namespace

Status append_compact_object(std::string_view text, std::string& out) {
  if (text.size() > kTextBytesMax) return too_long(kTextBytesMax, text.size());
  // A byte order mark is skipped by some releases of the parser, and would be kept.
  const std::size_t first = text.find_first_not_of(" \t\n\r");
  if (first == std::string_view::npos || text[first] != '{') {
    return refused(text, simdjson::INCORRECT_TYPE);
  }
  static thread_local ThreadParser parser;
  if (const auto error = parser.parse(text)) return refused(text, error);
  if (may_be_too_deep(text)) {
    if (find_json_fault(text, limits::kMetadataDepthMax)) {
      return refused(text, simdjson::DEPTH_ERROR);
    }
  }
  const std::size_t begin = out.size();
  parser.append_compact(text.size(), out);
  const std::size_t length = out.size() - begin;
  if (length <= limits::kMetadataBytesMax) return {};
  out.resize(begin);
  return too_long(limits::kMetadataBytesMax, length);
}

}  // namespace springg::storage
