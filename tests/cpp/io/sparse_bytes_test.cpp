// SPDX-License-Identifier: MIT
#include "io/sparse_bytes.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "crash_disk.h"

namespace springg::io::test {

namespace {

std::string text_of(const SparseBytes& bytes) {
  std::string text(bytes.size(), '?');
  bytes.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::string mapped_text(const FileVersion& version, const std::shared_ptr<MappingMemory>& memory) {
  const auto mapped = require_value(version.map(memory));
  return {reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size()};
}

// A size or offset that is often at or beside a page's or chunk's edge.
std::uint64_t draw_place(std::mt19937& random, std::uint64_t below) {
  std::uint64_t place = random() % (below + 1);
  if (random() % 2 == 0) place = place / 4'096 * 4'096;
  if (random() % 4 == 0) place = place / SparseBytes::kChunkBytes * SparseBytes::kChunkBytes;
  if (random() % 4 == 0) ++place;
  return std::min(place, below);
}

}  // namespace

TEST_CASE("sparse bytes are bytes") {
  constexpr std::uint64_t kMax = 600'000;
  const auto memory = std::make_shared<MappingMemory>();
  std::mt19937 random(7);
  struct Version {
    SparseBytes bytes;
    std::string text;
  };
  std::vector<Version> versions{{}};
  for (int round = 0; round < 150; ++round) {
    const Version start = versions[random() % versions.size()];
    const Version other = versions[random() % versions.size()];
    SparseBytesEditor editor(start.bytes);
    std::string text = start.text;
    for (int step = 0; step < 4; ++step) {
      const std::uint64_t begin = draw_place(random, text.size());
      switch (random() % 4) {
        case 0: {
          const std::uint64_t size = draw_place(random, kMax);
          editor.resize(size);
          text.resize(size, '\0');
          break;
        }
        case 1: {
          const std::uint64_t end = begin + draw_place(random, kMax - begin);
          editor.copy(other.bytes, begin, end);
          for (std::uint64_t i = begin; i < std::min<std::uint64_t>(end, text.size()); ++i) {
            text[i] = i < other.text.size() ? other.text[i] : '\0';
          }
          break;
        }
        default: {
          const std::size_t count =
              draw_place(random, std::min<std::uint64_t>(70'000, kMax - begin));
          const char letter = random() % 3 == 0 ? '\0' : static_cast<char>('a' + random() % 26);
          editor.write(begin, bytes_of(std::string(count, letter)));
          text.resize(std::max<std::size_t>(text.size(), begin + count), '\0');
          text.replace(begin, count, count, letter);
        }
      }
      CHECK(editor.size() == text.size());
    }
    versions.push_back({std::move(editor).finish(), text});
    CHECK(mapped_text(FileVersion(versions.back().bytes), memory) == text);
  }
  // Later versions have changed nothing of the earlier ones.
  for (const Version& version : versions) CHECK(text_of(version.bytes) == version.text);
}

TEST_CASE("beyond the end are zeros") {
  SparseBytesEditor editor{SparseBytes()};
  editor.write(0, bytes_of("text"));
  const SparseBytes bytes = std::move(editor).finish();
  std::string read(8, '?');
  bytes.read(2, std::as_writable_bytes(std::span(read)));
  CHECK(read == std::string("xt\0\0\0\0\0\0", 8));
}

TEST_CASE("one version has one mapping, and memory is zero when it is used again") {
  const auto memory = std::make_shared<MappingMemory>();
  SparseBytesEditor full{SparseBytes()};
  full.write(0, bytes_of(std::string(10'000, 'x')));
  const std::byte* place = nullptr;
  {
    const FileVersion version(std::move(full).finish());
    const auto mapped = require_value(version.map(memory));
    place = mapped->bytes().data();
    CHECK(require_value(version.map(memory)) == mapped);
    CHECK(reinterpret_cast<std::uintptr_t>(place) % 4'096 == 0);
  }
  SparseBytesEditor empty{SparseBytes()};
  empty.resize(12'000);
  const FileVersion zeros(std::move(empty).finish());
  const auto mapped = require_value(zeros.map(memory));
  CHECK(mapped->bytes().data() == place);
  CHECK(mapped_text(zeros, memory) == std::string(12'000, '\0'));
}

}  // namespace springg::io::test
