// SPDX-License-Identifier: MIT
// A log from outside, in a compact form whose checksums are right unless a patch comes after them,
// so that changed fields reach the code behind. Whatever is read is in order, none of it is of a
// damaged index, and without patches each record is one that was put there.
//
//   u8 after, u8 durable, then to the end: u8 what
//     0: a file: u8 step of the sequence, u8 first position (0: as it goes on), u8 bytes of the one
//        before that count, in words (0: as it goes on), u8 sectors
//     1: a frame: u8 step of the position, u8 how much less is durable, u8 index, u16 type,
//        u8 length, bytes
//     2: a frame as 1, without a trailer
//     else: a patch of what there is: u8 file, u16 offset, u8 value
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "container_input.h"
#include "storage/wal_sample.h"

using namespace springg;
using namespace springg::storage;

namespace {

constexpr std::uint64_t kSalt = 0x8f5a3c11d2e4b697;

class Composer {
 public:
  explicit Composer(fuzz::Reader& input) : input_(input) {}

  bool patched = false;
  ChangedFiles files;
  std::vector<Bytes> payloads;

  void step() {
    const auto what = input_.number<std::uint8_t>();
    if (what == 0) return file();
    if (what <= 2) return frame(what == 2);
    patch();
  }

 private:
  void file() {
    WalFileHeader header;
    header.store = kSampleStore;
    header.sequence = sequence_ += 1 + input_.number<std::uint8_t>() % 3;
    const auto first = input_.number<std::uint8_t>();
    header.first_lsn = first == 0 ? lsn_ + 1 : first;
    const auto words = input_.number<std::uint8_t>();
    header.previous_bytes = words == 0 ? offset_ : 8 * std::uint64_t{words};
    header.previous_crc = chain_;
    header.salt = kSalt + sequence_;
    header.file_bytes = kSectorBytes * (1 + input_.number<std::uint8_t>() % 16);
    lsn_ = header.first_lsn - 1;
    salt_ = header.salt;
    current_ = &files.bytes[wal_file_name(sequence_)];
    current_->assign(header.file_bytes, std::byte{0});
    const auto bytes = encode_wal_header(header);
    std::copy(bytes.begin(), bytes.end(), current_->begin());
    offset_ = kWalHeaderBytes;
    chain_ = wal_header_crc(bytes);
  }

  void frame(bool unfinished) {
    WalFrame frame;
    lsn_ += input_.number<std::uint8_t>() % 4 == 3 ? 2 : 1;
    frame.lsn = lsn_;
    const auto less = input_.number<std::uint8_t>();
    frame.durable_lsn = less > lsn_ ? 0 : lsn_ - less;
    frame.record.index_ref = input_.number<std::uint8_t>() % 4;
    frame.record.type = static_cast<WalType>(input_.number<std::uint16_t>());
    frame.record.payload = input_.take(input_.number<std::uint8_t>());
    const std::uint64_t size = wal_frame_bytes(frame.record.payload.size());
    if (current_ == nullptr || current_->size() - offset_ < size) return;
    const auto out = std::span(*current_).subspan(offset_, size);
    chain_ = encode_wal_frame(out, salt_, frame, chain_);
    if (unfinished) store(out, size - kWalTrailerBytes, std::uint64_t{0});
    payloads.emplace_back(frame.record.payload.begin(), frame.record.payload.end());
    offset_ += size;
  }

  void patch() {
    patched = true;
    const auto which = input_.number<std::uint8_t>();
    const auto at = input_.number<std::uint16_t>();
    const auto value = static_cast<std::byte>(input_.number<std::uint8_t>());
    if (files.bytes.empty()) return;
    auto file = files.bytes.begin();
    std::advance(file, which % files.bytes.size());
    if (!file->second.empty()) file->second[at % file->second.size()] = value;
  }

  fuzz::Reader& input_;
  Bytes* current_ = nullptr;
  std::uint64_t sequence_ = 0;
  std::uint64_t salt_ = 0;
  std::uint64_t offset_ = 0;
  std::uint32_t chain_ = 0;
  Lsn lsn_ = 0;
};

void check(const ReadLog& log, const Composer& composer, Lsn after) {
  const WalScan& scan = log.scan;
  if (scan.last_lsn < after || scan.durable_lsn > scan.last_lsn) std::abort();
  if (scan.tail.size() > scan.last_lsn - scan.durable_lsn) std::abort();
  Lsn before = after;
  for (const ReadRecord& record : log.records) {
    if (record.lsn <= before || record.lsn > scan.last_lsn) std::abort();
    before = record.lsn;
    const auto damage = scan.damaged_indexes.find(record.index_ref);
    if (damage != scan.damaged_indexes.end() && record.lsn >= damage->second.lsn) std::abort();
    if (composer.patched) continue;  // a lucky patch may seal another payload
    const auto& all = composer.payloads;
    if (std::find(all.begin(), all.end(), record.payload) == all.end()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Reader input(std::as_bytes(std::span(data, size)));
  const Lsn after = input.number<std::uint8_t>();
  const Lsn durable = input.number<std::uint8_t>();
  Composer composer(input);
  while (!input.empty()) composer.step();
  const auto log = read_log(composer.files, after, durable);
  if (!log.ok()) return 0;
  check(log.value(), composer, after);
  // What was read can be gone on with.
  const auto files = io::make_memory_file_system();
  WalSettings settings = sample_settings();
  continue_wal(log.value().scan, settings);
  if (!WriteAheadLog::create(*files, settings, sample_clock).ok()) std::abort();
  return 0;
}
