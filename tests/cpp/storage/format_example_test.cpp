// SPDX-License-Identifier: MIT
// The worked example of docs/format.md is what the code writes, byte for byte.
#include "catch.h"
#include "file_bytes.h"
#include "page_lines.h"
#include "sample_segment.h"

namespace springg::storage {

namespace {

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

}  // namespace

TEST_CASE("the example in docs/format.md is what is written") {
  const Bytes file = example();
  CHECK(file.size() == 36'864);  // as the page says
  check_lines_under("## A worked example", file);
}

}  // namespace springg::storage
