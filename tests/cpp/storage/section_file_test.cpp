// SPDX-License-Identifier: MIT
#include "storage/section_file.h"

#include <limits>

#include "catch.h"
#include "file_bytes.h"
#include "status_of.h"

namespace springg::storage {

namespace {

constexpr KnownSection kKnown[] = {{1, 2, "first"}, {2, 1, "second"}};
const base::Uuid kUuid = *base::Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");

Result<SectionFile> parse(std::span<const std::byte> file, FileKind kind = FileKind::kDelta) {
  return SectionFile::parse("some/file", file, kind, kKnown);
}

Bytes filled(std::size_t size, int value = 7) { return Bytes(size, static_cast<std::byte>(value)); }

// Two sections and their checksums; the second is longer than a block.
Bytes two_sections() {
  return file_of(FileKind::kDelta, kUuid,
                 {{1, 1, kRequired, filled(10)}, {2, 1, kRequired, filled(70'000)}});
}

template <class T>
Status parse_with(std::size_t offset, T value) {
  Bytes file = two_sections();
  store(std::span(file), offset, value);
  seal_header(file);
  return parse(file).status();
}

}  // namespace

TEST_CASE("sections come back as they were written") {
  const Bytes file = file_of(
      FileKind::kDelta, kUuid,
      {{1, 2, kRequired, filled(10)}, {2, 1, kDerived, {}}, {9, 1, kOptional, filled(4'096)}});
  CHECK(file.size() % kPageBytes == 0);
  auto parsed = parse(file);
  REQUIRE(parsed.ok());
  CHECK(parsed->uuid() == kUuid);
  const Section* first = parsed->find(1);
  REQUIRE(first != nullptr);
  CHECK(first->version == 2);
  CHECK(first->flags == kRequired);
  CHECK(first->offset == kPageBytes);
  CHECK(Bytes(first->bytes.begin(), first->bytes.end()) == filled(10));
  REQUIRE(parsed->find(2) != nullptr);
  CHECK(parsed->find(2)->bytes.empty());
  CHECK(parsed->find(9) == nullptr);  // not known, optional: passed over
  CHECK(parsed->need(1, "one", 10).ok());
  const auto wrong = parsed->need(1, "one", 11);
  CHECK(testing::says(wrong.status(), "bytes of section 'one': expected 11, got 10"));
  CHECK(testing::says(parsed->need(5, "five").status(), "section 'five' is missing"));
}

TEST_CASE("what a newer release wrote is refused, unless it is optional") {
  const auto status = [](std::uint32_t kind, std::uint32_t version, std::uint32_t flags) {
    return parse(file_of(FileKind::kDelta, kUuid, {{kind, version, flags, filled(5)}})).status();
  };
  CHECK(status(3, 1, kRequired).code() == ErrorCode::kUnsupported);
  CHECK(status(1, 3, kRequired).code() == ErrorCode::kUnsupported);
  CHECK(status(1, 3, kOptional).ok());
  CHECK(status(3, 1, kDerived).ok());
  CHECK(status(3, 1, kOptional | 0x80U).ok());
  const Status newer = parse_with(header::kMinReader, std::uint32_t{2});
  CHECK(newer.code() == ErrorCode::kUnsupported);
  CHECK(testing::says(newer, "format 2"));
  CHECK(parse_with(header::kVersion, std::uint32_t{2}).ok());  // readable by this reader
}

TEST_CASE("damage is told by section, and is not fatal in a derived one") {
  const auto flip = [](std::uint32_t flags, std::size_t at) {
    Bytes file = file_of(FileKind::kDelta, kUuid, {{1, 1, flags, filled(200'000)}});
    file[at] ^= std::byte{0x10};
    return file;
  };
  const std::size_t in_third_block = kPageBytes + 2 * kBlockBytes + 5;
  const Bytes required = flip(kRequired, in_third_block);
  const auto refused = parse(required);
  CHECK(refused.status().code() == ErrorCode::kCorruption);
  CHECK(testing::integer_detail(refused.status(), "offset") == kPageBytes + 2 * kBlockBytes);
  CHECK(testing::text_detail(refused.status(), "file") == "some/file");
  const Bytes derived = flip(kDerived, in_third_block);
  auto parsed = parse(derived);
  REQUIRE(parsed.ok());
  CHECK(parsed->find(1)->damaged);
  CHECK(parsed->need(1, "one").status().code() == ErrorCode::kCorruption);
}

TEST_CASE("an unknown optional section that is damaged is damage") {
  Bytes file = file_of(FileKind::kDelta, kUuid, {{9, 1, kOptional, filled(10)}});
  file[kPageBytes + 4'000] ^= std::byte{1};
  CHECK(parse(file).status().code() == ErrorCode::kCorruption);
}

TEST_CASE("files of another kind or format are told apart") {
  Bytes file = two_sections();
  CHECK(testing::says(parse(file, FileKind::kManifest).status(), "kind of file"));
  file[0] = std::byte{'S'};
  CHECK(testing::says(parse(file).status(), "not a springg file"));
  CHECK(testing::integer_detail(parse(Bytes()).status(), "offset") == 0);
  CHECK(testing::integer_detail(parse(filled(4'095)).status(), "offset") == 4'095);
}

TEST_CASE("hostile headers with a right checksum are damage") {
  constexpr std::size_t kFirst = header::kTable;
  constexpr std::size_t kSecond = header::kTable + header::kEntryBytes;
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  const auto damaged_by = [](std::size_t offset, auto value) {
    return parse_with(offset, value).code() == ErrorCode::kCorruption;
  };
  CHECK(damaged_by(header::kFileBytes, std::uint64_t{4'096}));
  CHECK(damaged_by(header::kFileBytes, most));
  CHECK(damaged_by(header::kSectionCount, std::uint32_t{0}));
  CHECK(damaged_by(header::kSectionCount, std::uint32_t{1}));
  CHECK(damaged_by(header::kSectionCount, std::uint32_t{3}));
  CHECK(damaged_by(header::kSectionCount, std::uint32_t{124}));
  CHECK(damaged_by(header::kSectionCount, std::uint32_t{125}));
  CHECK(damaged_by(header::kSectionCount, std::uint32_t{0xffff'ffff}));
  CHECK(damaged_by(kSecond + header::kEntryKind, std::uint32_t{1}));  // comes twice
  for (const std::size_t entry : {kFirst, kSecond}) {
    CHECK(damaged_by(entry + header::kEntryOffset, std::uint64_t{0}));  // overlaps the header
    CHECK(damaged_by(entry + header::kEntryOffset, std::uint64_t{4'097}));
    CHECK(damaged_by(entry + header::kEntryOffset, most));
    CHECK(damaged_by(entry + header::kEntryBytesField, std::uint64_t{0}));
    CHECK(damaged_by(entry + header::kEntryBytesField, std::uint64_t{8'192}));
    CHECK(damaged_by(entry + header::kEntryBytesField, std::uint64_t{1} << 63));
    CHECK(damaged_by(entry + header::kEntryBytesField, most));
    CHECK(damaged_by(entry + header::kEntryBytesField, most - 4'095));
  }
  CHECK(damaged_by(kSecond + header::kEntryOffset, std::uint64_t{4'096}));  // overlaps the first
  CHECK(damaged_by(header::kChecksumsOffset, std::uint64_t{0}));
  CHECK(damaged_by(header::kChecksumsOffset, most));
  CHECK(damaged_by(header::kChecksumsBytes, std::uint64_t{16}));
  CHECK(damaged_by(header::kChecksumsBytes, most));
  CHECK(damaged_by(header::kChecksumsChecksum, std::uint64_t{1}));
  CHECK(parse(two_sections()).ok());
}

TEST_CASE("more sections than a header page has room for are not written") {
  std::vector<OwnedSection> sections;
  for (std::uint32_t kind = 0; kind < kSectionsMax; ++kind)
    sections.push_back({kind + 10, 1, 0, {}});
  CHECK(parse(file_of(FileKind::kDelta, kUuid, sections)).ok());
  sections.push_back({5, 1, 0, {}});
  CHECK(file_of(FileKind::kDelta, kUuid, sections).empty());
}

}  // namespace springg::storage
