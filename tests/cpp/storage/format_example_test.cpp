// SPDX-License-Identifier: MIT
// The worked example of docs/format.md is what the code writes, byte for byte.
#include <cctype>
#include <fstream>
#include <map>
#include <string>

#include "catch.h"
#include "file_bytes.h"
#include "sample_segment.h"

namespace springg::storage {

namespace {

constexpr std::size_t kLineBytes = 16;

// Two rows of two dimensions: 'a' with a document, 7 without.
Bytes example() {
  SampleRows rows;
  rows.settings = {2, Metric::kCosine, ScalarType::kFloat32};
  const float vectors[] = {3.0F, 4.0F, 0.0F, 2.0F};
  const auto bytes = std::as_bytes(std::span(vectors));
  rows.vectors.assign(bytes.begin(), bytes.end());
  rows.inverse_norms = {1024.0F / 5.0F, 1024.0F / 2.0F};
  rows.sequences = {1, 2};
  rows.ids.append_string("a");
  rows.ids.append_integer(7);
  rows.metadata.append("{\"n\":1}");
  rows.metadata.append_none();
  const auto segment = std::move(build(rows)).value();
  const auto files = io::make_memory_file_system();
  REQUIRE(segment->write(*files, "/").ok());
  const auto mapped = std::move(files->map("/" + segment_file_name(segment->uuid()))).value();
  Bytes file(mapped->bytes().begin(), mapped->bytes().end());
  // A uuid is random; the example has this one.
  store(std::span(file), header::kUuid,
        base::Uuid::parse("00112233-4455-4677-8899-aabbccddeeff")->bytes);
  seal_header(file);
  return file;
}

std::string line_at(const Bytes& file, std::size_t offset) {
  char text[8 + 2 + kLineBytes * 3 + 1];
  int length = std::snprintf(text, sizeof text, "%08zx ", offset);
  for (std::size_t i = 0; i < kLineBytes; ++i) {
    length += std::snprintf(text + length, sizeof text - static_cast<std::size_t>(length), " %02x",
                            static_cast<unsigned>(file[offset + i]));
  }
  return text;
}

bool is_zero_line(const Bytes& file, std::size_t offset) {
  return line_at(file, offset).substr(8).find_first_not_of(" 0") == std::string::npos;
}

// The page's lines that start with an offset of eight digits, without the remark after the bytes.
std::map<std::size_t, std::string> lines_of_page() {
  std::ifstream page(SPRINGG_SOURCE_DIR "/docs/format.md");
  REQUIRE(page.good());
  std::map<std::size_t, std::string> lines;
  constexpr std::size_t kWidth = 9 + kLineBytes * 3;
  for (std::string line; std::getline(page, line);) {
    const bool is_line = line.size() >= kWidth && line.find_first_not_of("0123456789abcdef") == 8 &&
                         line.compare(8, 2, "  ") == 0;
    if (is_line) lines[std::stoul(line.substr(0, 8), nullptr, 16)] = line.substr(0, kWidth);
  }
  return lines;
}

}  // namespace

TEST_CASE("the example in docs/format.md is what is written") {
  const Bytes file = example();
  const auto lines = lines_of_page();
  CHECK(lines.size() > 20);
  CHECK(file.size() == 36'864);  // as the page says
  for (std::size_t offset = 0; offset < file.size(); offset += kLineBytes) {
    const auto line = lines.find(offset);
    if (line != lines.end()) {
      CHECK(line->second == line_at(file, offset));
    } else if (!is_zero_line(file, offset)) {
      FAIL_CHECK("the page lacks " << line_at(file, offset));
    }
  }
}

}  // namespace springg::storage
