// SPDX-License-Identifier: MIT
#include "springg/vector_files.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "springg/options.h"
#include "storage/bytes.h"

namespace springg {

namespace {

using storage::load;

Status bad_file(std::uint64_t offset, const std::string& what) {
  return corruption(what + " at byte " + std::to_string(offset))
      .with("offset", static_cast<std::int64_t>(offset));
}

std::string expected_got(std::uint64_t expected, std::uint64_t actual) {
  return "expected " + std::to_string(expected) + ", got " + std::to_string(actual);
}

// a * b, none on overflow.
std::optional<std::uint64_t> product(std::uint64_t a, std::uint64_t b) {
  if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) return std::nullopt;
  return a * b;
}

// The dictionary that numpy writes as Python source: three keys with a string, a bool and a tuple
// of integers. Nothing else of Python is understood.
class NpyHeader {
 public:
  NpyHeader(std::string_view text, std::uint64_t offset) : text_(text), offset_(offset) {}

  Status parse(NpyLayout& layout) {
    SPRINGG_RETURN_IF_ERROR(expect('{'));
    while (!accept('}')) {
      SPRINGG_ASSIGN_OR_RETURN(const auto key, string());
      SPRINGG_RETURN_IF_ERROR(expect(':'));
      SPRINGG_RETURN_IF_ERROR(value(key, layout));
      if (accept(',')) continue;
      SPRINGG_RETURN_IF_ERROR(expect('}'));
      break;
    }
    skip_space();
    if (at_ != text_.size()) return bad("text after the npy header's dictionary");
    if (has_descr_ && has_order_ && has_shape_) return {};
    return bad("npy header lacks 'descr', 'fortran_order' or 'shape'");
  }

 private:
  Status bad(const std::string& what) const { return bad_file(offset_ + at_, what); }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r\f\v").find(text_[at_]) != text_.npos) {
      ++at_;
    }
  }

  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Status expect(char c) {
    return accept(c) ? Status() : bad(std::string("npy header: expected '") + c + "'");
  }

  Result<std::string_view> string() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') return bad("npy header: expected a string");
    const std::size_t begin = at_ + 1;
    const std::size_t end = text_.find(quote, begin);
    const std::string_view value = text_.substr(begin, end - begin);
    if (end == std::string_view::npos || value.find('\\') != std::string_view::npos) {
      return bad("npy header: expected a string without escapes");
    }
    at_ = end + 1;
    return value;
  }

  Status value(std::string_view key, NpyLayout& layout) {
    if (key == "descr" && !std::exchange(has_descr_, true)) return descr(layout);
    if (key == "fortran_order" && !std::exchange(has_order_, true)) {
      skip_space();
      for (const auto& [word, truth] : {std::pair<std::string_view, bool>{"True", true},
                                        std::pair<std::string_view, bool>{"False", false}}) {
        if (text_.substr(at_, word.size()) != word) continue;
        at_ += word.size();
        layout.fortran_order = truth;
        return {};
      }
      return bad("npy header: expected True or False");
    }
    if (key == "shape" && !std::exchange(has_shape_, true)) return shape(layout);
    return bad("npy header: unexpected key '" + std::string(key) + "'");
  }

  Status descr(NpyLayout& layout) {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') {
      return unsupported("npy array of a structured dtype");
    }
    SPRINGG_ASSIGN_OR_RETURN(const auto text, string());
    layout.descr = text;
    return {};
  }

  Status shape(NpyLayout& layout) {
    SPRINGG_RETURN_IF_ERROR(expect('('));
    while (!accept(')')) {
      skip_space();
      std::uint64_t extent = 0;
      const char* const begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), extent);
      if (error != std::errc()) return bad("npy header: expected an unsigned integer");
      at_ += static_cast<std::size_t>(end - begin);
      (void)accept('L');  // as Python 2 wrote long integers
      if (layout.shape.size() == kAxesMax) return bad("npy header: too many axes");
      layout.shape.push_back(extent);
      if (accept(',')) continue;
      SPRINGG_RETURN_IF_ERROR(expect(')'));
      break;
    }
    return {};
  }

  static constexpr std::size_t kAxesMax = 64;  // numpy's own limit

  std::string_view text_;
  std::uint64_t offset_;  // of the text in the file
  std::size_t at_ = 0;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

// Bytes of one element of a type string: byte order, kind, width.
Result<std::uint64_t> element_bytes_of(const std::string& descr) {
  const auto refuse = [&descr] {
    return unsupported("npy dtype: expected little-endian bool, integer, float or text, got '" +
                       descr + "'");
  };
  if (descr.size() < 3 || std::string_view("<|=").find(descr[0]) == std::string_view::npos) {
    return refuse();
  }
  std::uint64_t width = 0;
  const char* const end = descr.data() + descr.size();
  const auto [stop, error] = std::from_chars(descr.data() + 2, end, width);
  if (error != std::errc() || stop != end || width > std::numeric_limits<std::uint32_t>::max()) {
    return refuse();
  }
  const auto one_of = [width](std::initializer_list<std::uint64_t> widths) {
    return std::find(widths.begin(), widths.end(), width) != widths.end();
  };
  switch (descr[1]) {
    case 'b': return one_of({1}) ? Result<std::uint64_t>(width) : refuse();
    case 'i':
    case 'u': return one_of({1, 2, 4, 8}) ? Result<std::uint64_t>(width) : refuse();
    case 'f': return one_of({2, 4, 8}) ? Result<std::uint64_t>(width) : refuse();
    case 'S': return width;
    case 'U': return width * 4;
    default: return refuse();
  }
}

}  // namespace

Result<NpyLayout> parse_npy(std::span<const std::byte> file) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  const std::size_t version_end = kMagic.size() + 2;
  if (!text.starts_with(kMagic)) return bad_file(0, "not an npy file: magic bytes differ");
  if (text.size() < version_end) return bad_file(text.size(), "npy file ends in its header");
  const auto version = static_cast<unsigned char>(text[kMagic.size()]);
  if (version < 1 || version > 3 || text[kMagic.size() + 1] != 0) {
    return unsupported("npy format: expected 1.0, 2.0 or 3.0, got " + std::to_string(version) +
                       "." + std::to_string(static_cast<unsigned char>(text[7])));
  }
  const std::size_t header_begin = version_end + (version == 1 ? 2 : 4);
  if (text.size() < header_begin) return bad_file(text.size(), "npy file ends in its header");
  const std::uint64_t header_bytes = version == 1 ? load<std::uint16_t>(file, version_end)
                                                  : load<std::uint32_t>(file, version_end);
  if (header_bytes > text.size() - header_begin) {
    return bad_file(version_end, "npy header is longer than the file: expected at most " +
                                     std::to_string(text.size() - header_begin) + ", got " +
                                     std::to_string(header_bytes));
  }
  NpyLayout layout;
  SPRINGG_RETURN_IF_ERROR(
      NpyHeader(text.substr(header_begin, header_bytes), header_begin).parse(layout));
  SPRINGG_ASSIGN_OR_RETURN(const std::uint64_t width, element_bytes_of(layout.descr));
  std::optional<std::uint64_t> bytes = width;
  for (const std::uint64_t extent : layout.shape) {
    if (bytes) bytes = product(*bytes, extent);
  }
  layout.data_offset = header_begin + header_bytes;
  const std::uint64_t available = text.size() - layout.data_offset;
  if (!bytes || *bytes != available) {
    return bad_file(
        layout.data_offset,
        "npy data bytes: " + (bytes ? expected_got(*bytes, available)
                                    : "shape is too large, got " + std::to_string(available)));
  }
  layout.data_bytes = *bytes;
  return layout;
}

Result<VecsLayout> parse_vecs(std::span<const std::byte> file, std::size_t element_bytes) {
  constexpr std::size_t kWidthBytes = sizeof(std::int32_t);
  if (element_bytes != 1 && element_bytes != 4) {
    return invalid_argument("element bytes of a vecs file: expected 1 or 4, got " +
                            std::to_string(element_bytes));
  }
  if (file.size() < kWidthBytes) {
    return bad_file(file.size(), "vecs file ends in its first row's width");
  }
  const auto width = load<std::int32_t>(file, 0);
  if (width < 1 || static_cast<std::uint64_t>(width) > limits::kDimensionsMax) {
    return bad_file(0, "width of a row: expected 1 to " + std::to_string(limits::kDimensionsMax) +
                           ", got " + std::to_string(width));
  }
  VecsLayout layout;
  layout.dimensions = static_cast<std::uint64_t>(width);
  layout.row_bytes = kWidthBytes + layout.dimensions * element_bytes;
  layout.rows = file.size() / layout.row_bytes;
  if (layout.rows * layout.row_bytes != file.size()) {
    return bad_file(
        layout.rows * layout.row_bytes,
        "bytes of the last row: " + expected_got(layout.row_bytes, file.size() % layout.row_bytes));
  }
  for (std::uint64_t row = 1; row < layout.rows; ++row) {
    const std::uint64_t offset = row * layout.row_bytes;
    const auto other = load<std::int32_t>(file, offset);
    if (other == width) continue;
    return bad_file(offset, "width of row " + std::to_string(row) + ": expected " +
                                std::to_string(width) + ", got " + std::to_string(other));
  }
  return layout;
}

}  // namespace springg
