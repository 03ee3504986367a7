// SPDX-License-Identifier: MIT
// A push-down scanner over the grammar of RFC 8259, without recursion.
#include "storage/json_fault.h"

#include <simdjson.h>

#include <algorithm>
#include <string>
#include <vector>

namespace springg::storage {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class FaultFinder {
 public:
  FaultFinder(std::string_view text, std::size_t depth_max) : text_(text), depth_max_(depth_max) {}

  std::optional<Defect> find() {
    skip_space();
    if (peek() != '{') return fault("expected an object, '{'");
    while (!fault_) {
      skip_space();
      step();
      if (!fault_ && open_.empty()) {
        skip_space();
        if (at_ == text_.size()) return std::nullopt;
        return fault("expected the end of the text");
      }
    }
    return fault_;
  }

 private:
  enum class Want { kValue, kValueOrEnd, kKey, kKeyOrEnd, kColon, kCommaOrEnd };

  // NUL at the end of the text: it stands nowhere in JSON.
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != text_.npos) ++at_;
  }

  std::optional<Defect> fault(const char* what) { return fault_at(at_, what); }
  std::optional<Defect> fault_at(std::size_t offset, const char* what) {
    if (!fault_) fault_ = Defect{offset, what};
    return fault_;
  }

  void step() {
    const char c = peek();
    const bool in_object = !open_.empty() && open_.back() == '{';
    switch (want_) {
      case Want::kValue: return value();
      case Want::kValueOrEnd: return c == ']' ? close() : value();
      case Want::kKeyOrEnd:
        if (c == '}') return close();
        [[fallthrough]];
      case Want::kKey:
        if (c != '"') return void(fault("expected a key in quotes"));
        string();
        want_ = Want::kColon;
        return;
      case Want::kColon:
        if (c != ':') return void(fault("expected ':'"));
        ++at_;
        want_ = Want::kValue;
        return;
      case Want::kCommaOrEnd:
        if (c == (in_object ? '}' : ']')) return close();
        if (c != ',') {
          return void(fault(in_object ? "expected ',' or '}'" : "expected ',' or ']'"));
        }
        ++at_;
        want_ = in_object ? Want::kKey : Want::kValue;
        return;
    }
  }

  void close() {
    ++at_;
    open_.pop_back();
    want_ = Want::kCommaOrEnd;
  }

  void value() {
    const char c = peek();
    want_ = Want::kCommaOrEnd;
    if (c == '{' || c == '[') {
      if (open_.size() == depth_max_) return void(fault("nested too deep"));
      open_.push_back(c);
      ++at_;
      want_ = c == '{' ? Want::kKeyOrEnd : Want::kValueOrEnd;
    } else if (c == '"') {
      string();
    } else if (c == '-' || is_digit(c)) {
      number();
    } else {
      literal();
    }
  }

  void literal() {
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return;
      }
    }
    fault("expected a value");
  }

  bool digits() {
    const std::size_t begin = at_;
    while (is_digit(peek())) ++at_;
    return at_ != begin;
  }

  void number() {
    const std::size_t begin = at_;
    if (peek() == '-') ++at_;
    const bool zero = peek() == '0';
    const std::size_t first = at_;
    if (!digits()) return void(fault("expected a digit"));
    if (zero && at_ - first > 1) return void(fault_at(first, "number starts with 0"));
    bool integer = true;
    if (peek() == '.') {
      integer = false;
      ++at_;
      if (!digits()) return void(fault("expected a digit"));
    }
    if (peek() == 'e' || peek() == 'E') {
      integer = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return void(fault("expected a digit"));
    }
    // Its text is right, so what the parser has against it is its size.
    const std::string token(text_.substr(begin, at_ - begin));
    simdjson::dom::parser parser;
    if (parser.parse(token).error() == simdjson::SUCCESS) return;
    fault_at(begin, integer ? "integer is below -2^63 or above 2^64 - 1"
                            : "number is too large for 64-bit floating point");
  }

  void string() {
    const std::size_t begin = at_++;
    while (!fault_) {
      if (at_ == text_.size()) return void(fault_at(begin, "string is not closed"));
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return;
      }
      if (c == '\\') {
        escape();
      } else if (c < 0x20) {
        fault("control character in a string");
      } else if (c < 0x80) {
        ++at_;
      } else {
        character(c);
      }
    }
  }

  void character(unsigned char lead) {
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    const std::string_view bytes = text_.substr(at_, length);
    if (bytes.size() < length || !simdjson::validate_utf8(bytes.data(), bytes.size())) {
      fault("not valid UTF-8");
      return;
    }
    at_ += length;
  }

  // The code unit after "\u"; -1 when there are no four hexadecimal digits.
  int code_unit() {
    int unit = 0;
    for (std::size_t i = 2; i < 6; ++i) {
      const char c = at_ + i < text_.size() ? text_[at_ + i] : '\0';
      const auto digit = std::string_view("0123456789abcdef")
                             .find(static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c));
      if (digit == std::string_view::npos) return -1;
      unit = unit * 16 + static_cast<int>(digit);
    }
    return unit;
  }

  void escape() {
    const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (c != 'u') {
      if (c == '\0' || std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
        fault("unknown escape");
      }
      at_ += 2;
      return;
    }
    const int unit = code_unit();
    if (unit < 0) return void(fault("expected four hexadecimal digits after '\\u'"));
    if (unit >= 0xd800 && unit <= 0xdfff) {
      const std::size_t begin = at_;
      at_ += 6;
      const bool paired = unit < 0xdc00 && text_.substr(at_, 2) == "\\u";
      const int low = paired ? code_unit() : -1;
      if (low < 0xdc00 || low > 0xdfff) return void(fault_at(begin, "lone surrogate"));
    }
    at_ += 6;
  }

  std::string_view text_;
  std::size_t depth_max_;
  std::size_t at_ = 0;
  Want want_ = Want::kValue;
  std::vector<char> open_;
  std::optional<Defect> fault_;
};

}  // namespace

std::optional<Defect> find_json_fault(std::string_view text, std::size_t depth_max) {
  return FaultFinder(text, depth_max).find();
}

}  // namespace springg::storage
