// SPDX-License-Identifier: MIT
// Following a log while it is written, cut, and gone on with after a crash.
#include "storage/wal_follower.h"

#include <algorithm>

#include "catch.h"
#include "status_of.h"
#include "wal_sample.h"

namespace springg::storage {

namespace {

using End = WalFollower::End;
using Look = WalFollower::Look;

WalSettings quiet_settings() {
  WalSettings settings = sample_settings();
  settings.sync_interval_ms = 3'600'000;
  return settings;
}

std::unique_ptr<WriteAheadLog> new_log(io::FileSystem& files) {
  return std::move(WriteAheadLog::create(files, quiet_settings(), sample_clock)).value();
}

// What a follower was shown: position, then the first byte of a payload, its number.
struct Reader {
  explicit Reader(io::FileSystem& files, Lsn after = 0)
      : follower(files, "/", kSampleStore, after) {}

  Result<End> advance(Look look = Look::kBriefly) {
    return follower.advance(look, [&](const WalFrame& frame) -> Status {
      lsns.push_back(frame.lsn);
      payloads.emplace_back(frame.record.payload.begin(), frame.record.payload.end());
      return {};
    });
  }
  End must_advance(Look look = Look::kBriefly) {
    auto end = advance(look);
    INFO(end.status().message());
    REQUIRE(end.ok());
    return *end;
  }

  WalFollower follower;
  std::vector<Lsn> lsns;
  std::vector<Bytes> payloads;
};

void append_and_sync(WriteAheadLog& log, std::uint32_t first, std::uint32_t count) {
  for (std::uint32_t i = first; i < first + count; ++i) {
    REQUIRE(append_bytes(log, sample_payload(i * 90 % 1000, i)).ok());
  }
  REQUIRE(log.sync().ok());
}

std::vector<Lsn> lsns_up_to(Lsn last) {
  std::vector<Lsn> all;
  for (Lsn lsn = 1; lsn <= last; ++lsn) all.push_back(lsn);
  return all;
}

}  // namespace

TEST_CASE("a follower sees each frame once, across the files of the log") {
  const auto files = io::make_memory_file_system();
  Reader reader(*files);
  CHECK(reader.must_advance() == End::kReached);  // there is no log yet
  const auto log = new_log(*files);
  for (std::uint32_t i = 0; i < 60; i += 3) {
    append_and_sync(*log, i, 3);
    CHECK(reader.must_advance(i % 2 == 0 ? Look::kFully : Look::kBriefly) == End::kReached);
    CHECK(reader.follower.position() == i + 3);
  }
  CHECK(log_names(*files).size() > 2);
  CHECK(reader.lsns == lsns_up_to(60));
  for (std::uint32_t i = 0; i < 60; ++i)
    CHECK(reader.payloads[i] == sample_payload(i * 90 % 1000, i));
  // From anywhere, and with several files to catch up with at once.
  Reader late(*files, 5);
  CHECK(late.must_advance() == End::kReached);
  CHECK(late.lsns.front() == 6);
  CHECK(late.lsns.size() == 55);
}

TEST_CASE("files that were cut off in front are gone, or not needed") {
  const auto files = io::make_memory_file_system();
  const auto log = new_log(*files);
  Reader reader(*files);
  append_and_sync(*log, 0, 5);
  REQUIRE(reader.must_advance() == End::kReached);
  append_and_sync(*log, 5, 55);
  log->remove_through(40);
  CHECK(reader.must_advance() == End::kGone);
  CHECK(reader.lsns == lsns_up_to(5));
  Reader behind(*files, 40);
  CHECK(behind.must_advance() == End::kReached);
  CHECK(behind.follower.position() == 60);
}

TEST_CASE("a log that was closed and begun again has the same names and is another one") {
  const auto files = io::make_memory_file_system();
  Reader reader(*files);
  {
    const auto log = new_log(*files);
    append_and_sync(*log, 0, 4);
    REQUIRE(reader.must_advance() == End::kReached);
    log->close_and_remove();
  }
  CHECK(reader.must_advance() == End::kReached);
  WalSettings settings = quiet_settings();
  settings.first_lsn = 5;
  const auto log = std::move(WriteAheadLog::create(*files, settings, sample_clock)).value();
  append_and_sync(*log, 4, 3);
  CHECK(reader.must_advance() == End::kReached);
  CHECK(reader.lsns == lsns_up_to(7));
}

TEST_CASE("frames that a recovery writes anew are not seen twice") {
  const auto files = io::make_memory_file_system();
  Reader reader(*files);
  {
    const auto log = new_log(*files);
    append_and_sync(*log, 0, 3);
    append_and_sync(*log, 3, 5);
    REQUIRE(reader.must_advance() == End::kReached);
  }
  const auto log = std::move(reopen_log(*files, quiet_settings())).value();
  CHECK(reader.must_advance() == End::kReached);
  append_and_sync(*log, 8, 2);
  CHECK(reader.must_advance() == End::kReached);
  CHECK(reader.lsns == lsns_up_to(10));
  for (std::uint32_t i = 0; i < 10; ++i)
    CHECK(reader.payloads[i] == sample_payload(i * 90 % 1000, i));
}

namespace {

std::unique_ptr<io::FileSystem> copy_of(const ChangedFiles& from) {
  auto files = io::make_memory_file_system();
  for (const auto& [name, bytes] : from.bytes) {
    const auto file = std::move(files->create("/" + name, 0)).value();
    REQUIRE(file->append(bytes).ok());
    REQUIRE(file->close().ok());
  }
  return files;
}

}  // namespace

TEST_CASE("a follower notices that frames it visited are lost") {
  const auto disk = io::make_memory_file_system();
  const auto log = new_log(*disk);
  append_and_sync(*log, 0, 5);
  const ChangedFiles before(*disk);
  append_and_sync(*log, 5, 3);
  ChangedFiles seen(*disk);
  Reader reader(seen);
  REQUIRE(reader.must_advance() == End::kReached);
  REQUIRE(reader.follower.position() == 8);
  // The clock of these logs stands still: stamps alone do not tell.
  const bool lost = GENERATE(false, true);
  INFO("lost " << lost);
  const auto files = copy_of(lost ? before : seen);
  const End expected = lost ? End::kOther : End::kReached;
  auto next = std::move(reopen_log(*files, quiet_settings())).value();
  REQUIRE(next->last_lsn() == (lost ? 5 : 8));
  const auto look = [&] {
    seen.bytes = ChangedFiles(*files).bytes;
    return reader.must_advance();
  };
  SECTION("when the next writer has opened it") { CHECK(look() == expected); }
  SECTION("when it has written") {
    append_and_sync(*next, 60, 1);
    CHECK(look() == expected);
  }
  SECTION("when it has written as much") {
    append_and_sync(*next, 60, 5);
    CHECK(look() == expected);
  }
  SECTION("when the newest file begins behind") {
    if (lost) append_and_sync(*next, 60, 3);
    next = std::move(reopen_log(*files, quiet_settings(), 0, 8)).value();
    append_and_sync(*next, 70, 2);
    REQUIRE(log_names(*files).size() == 3);
    CHECK(look() == expected);
  }
  if (lost) CHECK(reader.lsns == lsns_up_to(8));
}

TEST_CASE("a follower notices that frames another one visited are lost") {
  const auto disk = io::make_memory_file_system();
  const auto log = new_log(*disk);
  append_and_sync(*log, 0, 5);
  const ChangedFiles before(*disk);
  append_and_sync(*log, 5, 3);
  Reader reader(*disk);
  REQUIRE(reader.must_advance() == End::kReached);
  const WalMark last = reader.follower.last();
  REQUIRE(last.lsn == 8);
  const auto nothing = [](const WalFrame&) -> Status { return {}; };
  WalFollower same(*disk, "/", kSampleStore, 3, last);
  CHECK(same.advance(Look::kBriefly, nothing).value() == End::kReached);
  CHECK(same.position() == 8);
  const auto files = copy_of(before);
  const auto next = std::move(reopen_log(*files, quiet_settings())).value();
  for (std::uint32_t i = 60; i < 66; ++i) {
    WalFollower other(*files, "/", kSampleStore, 3, last);
    CHECK(other.advance(Look::kBriefly, nothing).value() == End::kOther);
    append_and_sync(*next, i, 1);
  }
  // Behind the mark nobody asks.
  WalFollower behind(*files, "/", kSampleStore, 8, last);
  CHECK(behind.advance(Look::kBriefly, nothing).value() == End::kReached);
}

TEST_CASE("what a recovery cut is no part of the log for those who come later") {
  const auto written = io::make_memory_file_system();
  {
    const auto log = new_log(*written);
    append_and_sync(*log, 0, 2);
    REQUIRE(append_bytes(*log, sample_payload(1500, 2), 1).ok());
    REQUIRE(append_bytes(*log, sample_payload(100, 5), 2).ok());
    REQUIRE(log->sync().ok());
  }
  // A power cut took a sector of the third frame, and not the fourth.
  const auto files = io::make_memory_file_system();
  ChangedFiles cut(*written);
  for (auto& [name, bytes] : cut.bytes) {
    const std::size_t third = kWalHeaderBytes + wal_frame_bytes(0) + wal_frame_bytes(90);
    const std::size_t sector = (third / kSectorBytes + 2) * kSectorBytes;
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(sector), kSectorBytes, std::byte{0});
    const auto file = std::move(files->create("/" + name, 0)).value();
    REQUIRE(file->append(bytes).ok());
    REQUIRE(file->close().ok());
  }
  const auto log = std::move(reopen_log(*files, quiet_settings())).value();
  REQUIRE(log->last_lsn() == 2);
  REQUIRE(append_bytes(*log, sample_payload(50, 7), 2).ok());
  REQUIRE(log->sync().ok());
  REQUIRE(log_names(*files).size() == 2);
  for (const Look look : {Look::kBriefly, Look::kFully}) {
    Reader reader(*files);
    CHECK(reader.must_advance(look) == End::kReached);
    CHECK(reader.lsns == lsns_up_to(3));
    CHECK(reader.payloads.back() == sample_payload(50, 7));
    CHECK(reader.follower.damaged_indexes().empty());
  }
}

TEST_CASE("a file that does not begin where the one before it ends is damaged") {
  const auto written = io::make_memory_file_system();
  const auto log = new_log(*written);
  append_and_sync(*log, 0, 60);
  ChangedFiles files(*written);
  REQUIRE(files.bytes.size() > 2);
  Bytes& second = std::next(files.bytes.begin())->second;
  // The second file of another log of the same store: the same positions, another chain.
  const auto other = io::make_memory_file_system();
  const auto other_log = new_log(*other);
  append_and_sync(*other_log, 0, 60);
  const ChangedFiles others(*other);
  second = std::next(others.bytes.begin())->second;
  Reader reader(files);
  CHECK(reader.advance(Look::kFully).status().code() == ErrorCode::kCorruption);
}

TEST_CASE("a frame of which any part is missing is not there yet") {
  const auto written = io::make_memory_file_system();
  const auto log = new_log(*written);
  append_and_sync(*log, 0, 3);
  Reader whole(*written);
  REQUIRE(whole.must_advance() == End::kReached);
  ChangedFiles files(*written);
  REQUIRE(append_bytes(*log, sample_payload(700, 4)).ok());
  REQUIRE(log->sync().ok());
  const ChangedFiles after(*written);
  REQUIRE(files.bytes.size() == 1);
  Bytes& file = files.bytes.begin()->second;
  const Bytes& full = after.bytes.begin()->second;
  const auto begin = static_cast<std::size_t>(
      std::mismatch(file.begin(), file.end(), full.begin()).first - file.begin());
  Reader reader(files);
  // As a writer does it: from the first byte on. The trailer is not needed.
  const std::size_t end = begin + wal_frame_bytes(700) - kWalTrailerBytes;
  for (std::size_t byte = begin; byte < end; byte += 7) {
    std::copy(full.begin() + static_cast<std::ptrdiff_t>(begin),
              full.begin() + static_cast<std::ptrdiff_t>(byte),
              file.begin() + static_cast<std::ptrdiff_t>(begin));
    const End seen = reader.must_advance(byte % 2 == 0 ? Look::kFully : Look::kBriefly);
    CHECK(seen == (byte == begin ? End::kReached : End::kUnfinished));
    CHECK(reader.follower.position() == 3);
  }
  file = full;
  CHECK(reader.must_advance() == End::kReached);
  CHECK(reader.lsns == lsns_up_to(4));
  CHECK(reader.payloads.back() == sample_payload(700, 4));
}

TEST_CASE("damage is told from what is not there yet by what was written after it") {
  const auto written = io::make_memory_file_system();
  {
    const auto log = new_log(*written);
    append_and_sync(*log, 1, 2);
    append_and_sync(*log, 3, 2);
  }
  const ChangedFiles good(*written);
  const std::size_t second = kWalHeaderBytes + wal_frame_bytes(90);
  SECTION("of a header") {
    ChangedFiles files;
    files.bytes = good.bytes;
    files.bytes.begin()->second[second + 8] ^= std::byte{1};
    Reader reader(files);
    CHECK(reader.must_advance() == End::kUnfinished);  // one look does not tell
    const auto found = reader.advance(Look::kFully);
    CHECK(found.status().code() == ErrorCode::kCorruption);
    CHECK(testing::integer_detail(found.status(), "offset") == static_cast<std::int64_t>(second));
    CHECK(reader.lsns == lsns_up_to(1));
  }
  SECTION("of a payload: its index stays behind") {
    ChangedFiles files;
    files.bytes = good.bytes;
    files.bytes.begin()->second[second + kWalFrameHeaderBytes + 3] ^= std::byte{1};
    Reader reader(files);
    CHECK(reader.must_advance() == End::kUnfinished);
    CHECK(reader.must_advance(Look::kFully) == End::kReached);
    CHECK(reader.lsns == lsns_up_to(1));
    CHECK(reader.follower.position() == 4);
    REQUIRE(reader.follower.damaged_indexes().size() == 1);
    CHECK(reader.follower.damaged_indexes().at(1).offset == second);
    CHECK(reader.follower.damaged_indexes().at(1).lsn == 2);
  }
}

TEST_CASE("damage to frames that are not wanted is passed over") {
  const auto written = io::make_memory_file_system();
  {
    const auto log = new_log(*written);
    append_and_sync(*log, 1, 6);
  }
  ChangedFiles files(*written);
  REQUIRE(files.bytes.size() == 1);
  const std::size_t second = kWalHeaderBytes + wal_frame_bytes(90);
  files.bytes.begin()->second[second + 8] ^= std::byte{1};
  for (Lsn after = 0; after < 6; ++after) {
    INFO("after " << after);
    Reader reader(files, after);
    const auto end = reader.advance(Look::kFully);
    const auto scanned = read_log(files, after);
    if (after < 2) {
      CHECK(end.status().code() == ErrorCode::kCorruption);
      CHECK(scanned.status().code() == ErrorCode::kCorruption);
      continue;
    }
    REQUIRE(end.ok());
    REQUIRE(scanned.ok());
    CHECK(*end == End::kReached);
    std::vector<Lsn> scanned_lsns;
    for (const ReadRecord& record : scanned->records) scanned_lsns.push_back(record.lsn);
    std::vector<Lsn> wanted;
    for (Lsn lsn = after + 1; lsn <= 6; ++lsn) wanted.push_back(lsn);
    CHECK(reader.lsns == wanted);
    CHECK(scanned_lsns == wanted);
    CHECK(scanned->scan.last_lsn == 6);
  }
}

TEST_CASE("a log of another store, and a visitor that refuses") {
  const auto files = io::make_memory_file_system();
  const auto log = new_log(*files);
  append_and_sync(*log, 0, 3);
  WalFollower other(*files, "/", base::Uuid::random(), 0);
  const auto nothing = [](const WalFrame&) -> Status { return {}; };
  CHECK(other.advance(Look::kBriefly, nothing).status().code() == ErrorCode::kCorruption);

  Reader reader(*files);
  WalFollower refused(*files, "/", kSampleStore, 0);
  int calls = 0;
  const auto refuse_second = [&](const WalFrame& frame) -> Status {
    ++calls;
    return frame.lsn == 2 && calls == 2 ? io_error("not now") : Status();
  };
  CHECK(refused.advance(Look::kBriefly, refuse_second).status().code() == ErrorCode::kIoError);
  CHECK(refused.position() == 1);
  CHECK(refused.advance(Look::kBriefly, refuse_second).ok());
  CHECK(refused.position() == 3);
  CHECK(calls == 4);  // the refused one came again
}

}  // namespace springg::storage
