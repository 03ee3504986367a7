// SPDX-License-Identifier: MIT
#include "storage/metadata_json.h"

#include <simdjson.h>

#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "springg/options.h"
#include "status_of.h"
#include "storage/json_fault.h"

namespace springg::storage {

namespace {

std::string compact(std::string_view text) {
  std::string out = "before";
  const Status status = append_compact_object(text, out);
  INFO(status.message());
  REQUIRE(status.ok());
  REQUIRE(out.starts_with("before"));
  return out.substr(6);
}

Status refusal(std::string_view text) {
  std::string out = "before";
  Status status = append_compact_object(text, out);
  CHECK(out == "before");
  return status;
}

std::string nested(std::size_t depth, std::string_view innermost) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += i == 0 || i % 2 == 0 ? "{\"a\":" : "[";
  text += innermost;
  for (std::size_t i = depth; i-- > 0;) text += i == 0 || i % 2 == 0 ? '}' : ']';
  return text;
}

// Each with the byte at which it stops being a document.
const std::vector<std::pair<std::string, std::size_t>> kBadTexts = {
    {"", 0},
    {"  ", 2},
    {"[1]", 0},
    {"1", 0},
    {"null", 0},
    {"\"a\"", 0},
    {"\xef\xbb\xbf{}", 0},
    {"{", 1},
    {"{\"a\"", 4},
    {"{\"a\":", 5},
    {"{\"a\":1", 6},
    {"{\"a\" 1}", 5},
    {"{\"a\":1,}", 7},
    {"{,}", 1},
    {"{a:1}", 1},
    {"{1:1}", 1},
    {"{\"a\":1 2}", 7},
    {"{\"a\":1}x", 7},
    {"{} {}", 3},
    {"{\"a\":[1,]}", 8},
    {"{\"a\":[1 2]}", 8},
    {"{\"a\":[}]}", 6},
    {"{\"a\":[1}", 7},
    {"{\"a\":NaN}", 5},
    {"{\"a\":Infinity}", 5},
    {"{\"a\":tru}", 5},
    {"{\"a\":truex}", 9},
    {"{\"a\":01}", 5},
    {"{\"a\":-}", 6},
    {"{\"a\":--1}", 6},
    {"{\"a\":+1}", 5},
    {"{\"a\":.5}", 5},
    {"{\"a\":1.}", 7},
    {"{\"a\":1.5e}", 9},
    {"{\"a\":0x10}", 6},
    {"{\"a\":18446744073709551616}", 5},
    {"{\"a\":-9223372036854775809}", 5},
    {"{\"a\":123456789012345678901234567890}", 5},
    {"{\"a\":1e400}", 5},
    {"{\"a\":-1.5e999}", 5},
    {"{\"a\":\"b", 5},
    {"{\"a\":'b'}", 5},
    {"{\"a\":\"\n\"}", 6},
    {std::string("{\"a\":\"\0\"}", 9), 6},
    {std::string("{\"a\":1\0}", 8), 6},
    {"{\"a\":\"\\x\"}", 6},
    {"{\"a\":\"\\u12g4\"}", 6},
    {"{\"a\":\"\\ud800\"}", 6},
    {"{\"a\":\"\\udc00\"}", 6},
    {"{\"a\":\"\\udfff\"}", 6},
    {"{\"a\":\"\\ud800\\u0041\"}", 6},
    {"{\"a\":\"\\ud800\\ud800\"}", 6},
    {"{\"a\":\"x\\ud83dx\"}", 7},
    {"{\"\\ud800\":1}", 2},
    {"{\"a\":\"\xff\"}", 6},
    {"{\"a\":\"\xc3\"}", 6},
    {"{\"a\":\"\xc0\x80\"}", 6},
    {"{\"a\":\"\xed\xa0\x80\"}", 6},
    {"{\"a\":\"\xf4\x90\x80\x80\"}", 6},
    {"{\"a\":1,/*c*/\"b\":2}", 7},
};

}  // namespace

TEST_CASE("documents keep all but insignificant white space") {
  CHECK(compact("{}") == "{}");
  CHECK(compact(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } }\n ") == "{\"a\":[1,2],\"b\":{}}");
  CHECK(compact("{\"a b\\n\\\"\\\\ c\": \" x \\\" y \"}") ==
        "{\"a b\\n\\\"\\\\ c\":\" x \\\" y \"}");
  CHECK(compact("{\"z\":1,\"a\":2,\"z\":3}") == "{\"z\":1,\"a\":2,\"z\":3}");
}

TEST_CASE("numbers keep their spelling, up to 64 bits") {
  for (const char* text :
       {"{\"a\":-0}", "{\"a\":0.10}", "{\"a\":1E+2}", "{\"a\":18446744073709551615}",
        "{\"a\":-9223372036854775808}", "{\"a\":1e308}", "{\"a\":5e-324}", "{\"a\":1e-400}",
        "{\"a\":3.141592653589793238462643383279}"}) {
    CHECK(compact(text) == text);
  }
}

TEST_CASE("any text stays, in UTF-8 or escaped") {
  for (const char* text :
       {"{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}", "{\"a\":\"\\ud83d\\ude00\"}",
        "{\"a\":\"\\u0000\\u00e9\\/\\b\"}", "{\"\":\"\"}", "{\"a\":\"\xef\xbf\xbf\"}"}) {
    CHECK(compact(text) == text);
  }
}

TEST_CASE("what is no JSON object is refused, with the place of the fault") {
  for (const auto& [text, offset] : kBadTexts) {
    INFO(text);
    const Status status = refusal(text);
    INFO(status.message());
    CHECK(status.code() == ErrorCode::kInvalidArgument);
    CHECK(testing::integer_detail(status, "offset") == static_cast<std::int64_t>(offset));
    // The scanner found it, not only the parser.
    CHECK(find_json_fault(text, limits::kMetadataDepthMax).has_value());
  }
  CHECK(refusal("{\"a\":1,}").message() ==
        "metadata is not a JSON object: expected a key in quotes at byte 7");
}

TEST_CASE("64 levels are a document, 65 are not") {
  for (const char* innermost : {"1", "{}", "[]"}) {
    const std::size_t own = innermost[0] == '1' ? 0 : 1;
    const std::string deepest = nested(64 - own, innermost);
    CHECK(compact(deepest) == deepest);
    CHECK_FALSE(find_json_fault(deepest, 64));
    const Status deeper = refusal(nested(65 - own, innermost));
    CHECK(testing::says(deeper, "nested too deep"));
  }
  CHECK(testing::says(refusal(nested(1'000, "1")), "nested too deep"));
  CHECK(testing::says(refusal(nested(100'000, "1")), "nested too deep"));
  // Many brackets are not depth.
  std::string wide = "{\"a\":[[]";
  for (int i = 0; i < 200; ++i) wide += ",[]";
  wide += "],\"b\":\"{{{{\"}";
  CHECK(compact(wide) == wide);
}

TEST_CASE("the limit counts bytes without insignificant white space") {
  const std::string fits = "{\"a\":\"" + std::string(65'536 - 8, 'x') + "\"}";
  CHECK(compact(fits).size() == 65'536);
  CHECK(compact("{ " + fits.substr(1) + std::string(1'000, ' ')) == fits);
  const Status status = refusal("{\"a\":\"" + std::string(65'536 - 7, 'x') + "\"}");
  CHECK(testing::says(status, "expected at most 65536 bytes, got 65537"));
  CHECK(testing::says(refusal("{}" + std::string(2'000'000, ' ')), "metadata is too long"));
}

TEST_CASE("the scanner and the parser agree on texts made at random") {
  // Pieces that make both good and bad texts often.
  const std::vector<std::string> pieces = {"{",  "}",     "[",   "]",      ",",        ":",
                                           "\"", "\"a\"", "1",   "-2.5e3", "true",     "null",
                                           " ",  "\\u",   "\\n", "d800",   "\xc3\xa9", "\xff"};
  std::uint32_t state = 12'345;
  const auto next = [&state](std::size_t below) {
    state = state * 1'664'525U + 1'013'904'223U;
    return (state >> 8) % below;
  };
  std::size_t good = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string text = "{";
    for (std::size_t i = next(8); i-- > 0;) text += pieces[next(pieces.size())];
    text += "}";
    std::string out;
    const bool accepted = append_compact_object(text, out).ok();
    const bool clean = !find_json_fault(text, limits::kMetadataDepthMax).has_value();
    if (accepted != clean) FAIL(text);
    if (accepted) ++good;
  }
  CHECK(good > 1'000);
}

}  // namespace springg::storage
