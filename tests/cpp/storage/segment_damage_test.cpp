// SPDX-License-Identifier: MIT
// A segment file with any byte changed, cut anywhere, or made by an enemy, is never misread.
#include <limits>

#include "catch.h"
#include "file_bytes.h"
#include "sample_segment.h"
#include "springg/options.h"
#include "status_of.h"
#include "storage/segment_sections.h"

namespace springg::storage {

namespace {

struct SampleFile {
  SampleRows sample;
  base::Uuid uuid;
  Bytes bytes;
};

SampleFile sample_file(std::uint32_t rows = 5, SampleIds ids = SampleIds::kMixed) {
  SampleFile file;
  file.sample = sample_rows(rows, ids);
  const auto segment = std::move(build(file.sample)).value();
  file.uuid = segment->uuid();
  const auto files = io::make_memory_file_system();
  REQUIRE(segment->write(*files, "/").ok());
  const auto mapped = std::move(files->map("/" + segment_file_name(file.uuid))).value();
  file.bytes.assign(mapped->bytes().begin(), mapped->bytes().end());
  return file;
}

Result<std::shared_ptr<const Segment>> open(OneFile& file, const base::Uuid& uuid) {
  return open_segment(file, "/d", uuid, file.size());
}

Status open_status(OneFile& file, const base::Uuid& uuid) { return open(file, uuid).status(); }

bool is_located(const Status& status, std::size_t file_bytes) {
  const auto offset = testing::integer_detail(status, "offset");
  return status.code() == ErrorCode::kCorruption && offset && *offset >= 0 &&
         static_cast<std::size_t>(*offset) <= file_bytes &&
         testing::text_detail(status, "file").ends_with(".segment");
}

// The sample with one section's bytes changed and every checksum right.
template <class Change>
Status open_changed(const SampleFile& file, SegmentSection kind, Change change) {
  auto sections = sections_of(file.bytes);
  change(section_of(sections, static_cast<std::uint32_t>(kind)).bytes);
  OneFile changed(file_of(FileKind::kSegment, file.uuid, sections));
  return open_status(changed, file.uuid);
}

}  // namespace

TEST_CASE("every byte of a segment that is flipped is detected or harmless") {
  const SampleFile sample = sample_file();
  OneFile file(sample.bytes);
  std::size_t detected = 0, harmless = 0;
  for (std::size_t i = 0; i < file.size(); ++i) {
    const auto flip = static_cast<std::byte>(i % 9 == 8 ? 0xff : 1U << (i % 9));
    file[i] ^= flip;
    const auto opened = open(file, sample.uuid);
    if (!opened.ok()) {
      if (!is_located(opened.status(), file.size())) {
        FAIL("byte " << i << ": " << opened.status().message());
      }
      ++detected;
    } else {
      // Only in what is derived.
      const std::string differs = difference(*opened.value(), sample.sample);
      if (!differs.empty()) FAIL("byte " << i << " changed the " << differs);
      ++harmless;
    }
    file[i] ^= flip;
  }
  CHECK(detected == file.size() - 2 * kPageBytes);  // the id table's page and the graph's
  CHECK(harmless == 2 * kPageBytes);
  CHECK(difference(*open(file, sample.uuid).value(), sample.sample) == "");
}

TEST_CASE("a segment cut at any length is damaged, whatever size the manifest has") {
  const SampleFile sample = sample_file();
  OneFile file(sample.bytes);
  const std::size_t size = file.size();
  for (std::size_t length = 0; length < size; ++length) {
    file.cut(length);
    const Status of_its_size = open_status(file, sample.uuid);
    const Status of_old_size = open_segment(file, "/d", sample.uuid, size).status();
    if (!is_located(of_its_size, length) || !is_located(of_old_size, length)) {
      FAIL("cut at " << length << ": " << of_its_size.message());
    }
  }
}

TEST_CASE("vectors that are compared later are compared block by block, where they are asked for") {
  SampleRows sample = sample_rows(30'000, SampleIds::kIntegers);  // 360,000 bytes: six blocks
  const std::uint32_t rows_of_block = kBlockBytes / 12;
  const auto segment = std::move(build(sample)).value();
  const auto files = io::make_memory_file_system();
  REQUIRE(segment->write(*files, "/").ok());
  const auto mapped = std::move(files->map("/" + segment_file_name(segment->uuid()))).value();
  OneFile file(mapped->bytes());
  const std::size_t vectors = 2 * kPageBytes;  // behind the header and the info
  const std::size_t flipped = vectors + 2 * kBlockBytes + 100;
  file[flipped] ^= std::byte{4};
  const auto later = [&](std::uint64_t bytes) {
    return open_segment(file, "/d", segment->uuid(), file.size(), bytes);
  };
  CHECK(later(kCompareAll).status().code() == ErrorCode::kCorruption);
  CHECK(later(400'000).status().code() == ErrorCode::kCorruption);  // it is smaller
  const auto opened = later(360'000);
  REQUIRE(opened.ok());
  const Segment& read = *opened.value();
  CHECK_FALSE(read.compared());
  read.compare_vectors(0, rows_of_block);
  read.compare_vectors(3 * rows_of_block + 3, 30'000);
  read.compare_vectors(5, 5);
  CHECK_FALSE(read.unreadable());
  CHECK(read.check_readable().ok());
  CHECK_FALSE(read.compared());
  read.compare_vectors(0, 30'000);
  CHECK(read.unreadable());
  CHECK_FALSE(read.compared());
  const Status status = read.check_readable();
  CHECK(is_located(status, file.size()));
  CHECK(testing::integer_detail(status, "offset") ==
        static_cast<std::int64_t>(vectors + 2 * kBlockBytes));

  file[flipped] ^= std::byte{4};
  const auto whole = later(0);
  REQUIRE(whole.ok());
  CHECK_FALSE(whole.value()->compared());
  whole.value()->compare_vectors(0, 30'000);
  CHECK(whole.value()->compared());
  CHECK_FALSE(whole.value()->unreadable());

  // All else is compared when it is opened.
  file[file.size() - 5 * kPageBytes] ^= std::byte{1};
  file[vectors - 10] ^= std::byte{1};
  CHECK(later(0).status().code() == ErrorCode::kCorruption);
}

TEST_CASE("a segment with bytes after its end, of another uuid, or missing, is damaged") {
  const SampleFile sample = sample_file();
  Bytes longer = sample.bytes;
  longer.resize(longer.size() + kPageBytes);
  OneFile long_file(longer);
  CHECK(open_status(long_file, sample.uuid).code() == ErrorCode::kCorruption);
  OneFile file(sample.bytes);
  CHECK(testing::says(open_status(file, base::Uuid::random()), "uuid: expected"));
  const auto empty = io::make_memory_file_system();
  const auto missing = open_segment(*empty, "/", sample.uuid, 4'096);
  CHECK(missing.status().code() == ErrorCode::kCorruption);
  CHECK(testing::says(missing.status(), "missing"));
}

TEST_CASE("a damaged hash table is made anew, a damaged graph reported") {
  const SampleFile sample = sample_file(1'000, SampleIds::kStrings);
  OneFile file(sample.bytes);
  const auto bytes = sections_of(sample.bytes);
  std::size_t offset = kPageBytes;
  std::size_t damaged_sections = 0;
  for (const OwnedSection& section : bytes) {
    if ((section.flags & kDerived) != 0) {
      file[offset] ^= std::byte{1};
      ++damaged_sections;
    }
    offset += padded(section.bytes.size());
  }
  REQUIRE(damaged_sections == 2);
  const auto opened = open(file, sample.uuid);
  REQUIRE(opened.ok());
  CHECK(opened.value()->graph_damaged());
  CHECK(opened.value()->graph().empty());
  CHECK(difference(*opened.value(), sample.sample) == "");
}

TEST_CASE("derived sections may be absent, the others not") {
  const SampleFile sample = sample_file();
  for (const OwnedSection& left_out : sections_of(sample.bytes)) {
    auto sections = sections_of(sample.bytes);
    std::erase_if(sections, [&](const OwnedSection& s) { return s.kind == left_out.kind; });
    OneFile file(file_of(FileKind::kSegment, sample.uuid, sections));
    const Status status = open_status(file, sample.uuid);
    INFO("without section " << left_out.kind);
    const bool may_be_absent =
        (left_out.flags & kDerived) != 0 ||
        left_out.kind == static_cast<std::uint32_t>(SegmentSection::kMetadata);
    CHECK(status.code() == (may_be_absent ? ErrorCode::kOk : ErrorCode::kCorruption));
  }
}

TEST_CASE("every section of a wrong length is damaged") {
  const SampleFile sample = sample_file();
  for (const OwnedSection& section : sections_of(sample.bytes)) {
    if ((section.flags & kDerived) != 0) continue;
    for (const int by : {-1, 1, 8, -8}) {
      const Status status =
          open_changed(sample, static_cast<SegmentSection>(section.kind), [by](Bytes& bytes) {
            bytes.resize(static_cast<std::size_t>(static_cast<int>(bytes.size()) + by));
          });
      INFO("section " << section.kind << " by " << by);
      CHECK(is_located(status, sample.bytes.size()));
    }
  }
}

TEST_CASE("settings and counts out of range are damage") {
  const SampleFile sample = sample_file();
  const auto with_info = [&](std::size_t offset, auto value) {
    return open_changed(sample, SegmentSection::kInfo,
                        [&](Bytes& bytes) { store(std::span(bytes), offset, value); });
  };
  CHECK(is_located(with_info(info::kDimensions, std::uint32_t{0}), 1 << 20));
  CHECK(is_located(with_info(info::kDimensions, std::uint32_t{65'537}), 1 << 20));
  CHECK(is_located(with_info(info::kDimensions, std::uint32_t{4}), 1 << 20));
  CHECK(is_located(with_info(info::kMetric, std::uint8_t{0}), 1 << 20));
  CHECK(is_located(with_info(info::kMetric, std::uint8_t{6}), 1 << 20));
  CHECK(is_located(with_info(info::kDtype, std::uint8_t{77}), 1 << 20));
  CHECK(is_located(with_info(info::kRows, std::uint32_t{4}), 1 << 20));
  CHECK(is_located(with_info(info::kRows, std::uint32_t{0x7fff'ffff}), 1 << 20));
  CHECK(is_located(with_info(info::kRows, std::uint32_t{0xffff'ffff}), 1 << 20));
  CHECK(is_located(with_info(info::kIdEncoding, std::uint32_t{1}), 1 << 20));
  CHECK(is_located(with_info(info::kIdEncoding, std::uint32_t{9}), 1 << 20));
  CHECK(is_located(with_info(info::kFirstSequence, std::uint64_t{1}), 1 << 20));
  CHECK(is_located(with_info(info::kLastSequence, std::uint64_t{1}), 1 << 20));
}

TEST_CASE("hostile sequences, ids and documents are damage") {
  const SampleFile sample = sample_file();
  const auto with = [&](SegmentSection kind, std::size_t offset, auto value) {
    return open_changed(sample, kind,
                        [&](Bytes& bytes) { store(std::span(bytes), offset, value); });
  };
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  CHECK(testing::says(with(SegmentSection::kSequences, 8, std::uint64_t{100}), "sequences"));
  CHECK(testing::says(with(SegmentSection::kIds, 8, most), "id of row 0"));
  CHECK(testing::says(with(SegmentSection::kMetadata, 0, std::uint64_t{2}), "metadata"));
  CHECK(testing::says(with(SegmentSection::kMetadata, 8, most), "metadata of row 0"));
  CHECK(testing::says(with(SegmentSection::kMetadata, 16, std::uint64_t{1}), "metadata of row 1"));
  CHECK(testing::says(with(SegmentSection::kMetadata, 40, most), "metadata"));
}

TEST_CASE("a hash table that is wrong in itself is made anew; equal ids are damage") {
  const SampleFile sample = sample_file(3, SampleIds::kIntegers);
  CHECK(open_changed(sample, SegmentSection::kIdTable, [](Bytes& bytes) {
          std::fill(bytes.begin(), bytes.end(), std::byte{0x7f});
        }).ok());
  auto sections = sections_of(sample.bytes);
  Bytes& ids = section_of(sections, static_cast<std::uint32_t>(SegmentSection::kIds)).bytes;
  std::copy(ids.begin(), ids.begin() + 8, ids.begin() + 16);
  section_of(sections, static_cast<std::uint32_t>(SegmentSection::kIdTable)).bytes.clear();
  OneFile file(file_of(FileKind::kSegment, sample.uuid, sections));
  CHECK(testing::says(open_status(file, sample.uuid), "id 0 of row 2 comes twice"));
}

TEST_CASE("a segment whose pages turn to zeros after it was opened is read within its bounds") {
  for (const SampleIds kind : {SampleIds::kMixed, SampleIds::kStrings, SampleIds::kIntegers}) {
    const SampleFile sample = sample_file(600, kind);
    OneFile file(sample.bytes);
    const auto segment = open(file, sample.uuid).value();
    const char* first = reinterpret_cast<const char*>(&file[0]);
    const auto inside = [&](std::string_view text) {
      return text.empty() || (text.data() >= first && text.size() <= file.size() &&
                              text.data() <= first + file.size() - text.size());
    };
    const std::size_t pages = file.size() / kPageBytes;
    for (std::size_t zeroed = 0; zeroed <= pages; ++zeroed) {
      const std::size_t begin = zeroed == pages ? 0 : zeroed;  // all of them at last
      const std::size_t end = zeroed == pages ? pages : zeroed + 1;
      std::fill(&file[0] + begin * kPageBytes, &file[0] + end * kPageBytes, std::byte{0});
      std::size_t wrong = 0;
      for (std::uint32_t row = 0; row < segment->rows(); ++row) {
        const IdView id = segment->id(row);
        if (!inside(id.bytes) || id.bytes.size() > limits::kIdBytesMax) ++wrong;
        if (id.kind != IdKind::kString && id.bytes.size() != (id.kind == IdKind::kUuid ? 16 : 8)) {
          ++wrong;
        }
        const std::string_view text = segment->metadata(row);
        if (!inside(text) || text.size() > limits::kMetadataBytesMax) ++wrong;
        const auto found = segment->find(sample.sample.ids[row]);
        if (found.has_value() && *found >= segment->rows()) ++wrong;
      }
      INFO("page " << zeroed << " of " << pages);
      CHECK(wrong == 0);
      std::copy(sample.bytes.begin(), sample.bytes.end(), &file[0]);
    }
    CHECK(difference(*segment, sample.sample) == "");
    CHECK_FALSE(segment->unreadable());
  }
}

}  // namespace springg::storage
