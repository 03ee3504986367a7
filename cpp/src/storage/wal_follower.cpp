// SPDX-License-Identifier: MIT
#include "storage/wal_follower.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/checksum.h"
#include "storage/bytes.h"
#include "storage/wal_damage.h"

namespace springg::storage {

namespace {

constexpr std::uint64_t kFrameBytesMin = wal_frame_bytes(0);

Status damaged_at(const std::string& path, std::uint64_t offset, Lsn lsn, const std::string& what) {
  return damaged(path, offset, what + ", at position " + std::to_string(lsn))
      .with("lsn", static_cast<std::int64_t>(lsn));
}

bool known_type(std::uint16_t type) {
  return type >= static_cast<std::uint16_t>(WalType::kRows) &&
         type <= static_cast<std::uint16_t>(WalType::kSegment);
}

WalMark mark_of(const WalFrameHeader& header, std::span<const std::byte> payload) {
  return {header.lsn,  header.stamp,         header.index_ref,
          header.type, header.payload_bytes, base::xxh3(payload)};
}

bool skippable(std::uint16_t type) { return (type & kWalTypeSkippable) != 0; }

}  // namespace

// None: it was removed since it was listed.
Result<std::optional<WalFollower::File>> WalFollower::open(std::uint64_t sequence) {
  File file;
  file.sequence = sequence;
  file.path = directory_ + "/" + wal_file_name(sequence);
  auto mapped = files_.map(file.path);
  if (mapped.status().code() == ErrorCode::kNotFound) return std::optional<File>();
  if (!mapped.ok()) return mapped.take_status();
  file.mapped = std::move(mapped).value();
  SPRINGG_ASSIGN_OR_RETURN(file.header, decode_wal_header(file.path, file.bytes()));
  std::copy_n(file.bytes().begin(), kWalHeaderBytes, file.header_bytes.begin());
  if (file.header.store != store_) {
    return damaged(file.path, 0,
                   "it belongs to another store: expected " + store_.to_string() + ", got " +
                       file.header.store.to_string());
  }
  if (file.header.sequence != sequence) {
    return damaged(
        file.path, 0,
        "its name is not its sequence, which is " + std::to_string(file.header.sequence));
  }
  return std::optional<File>(std::move(file));
}

Result<WalFollower::Found> WalFollower::find() {
  SPRINGG_ASSIGN_OR_RETURN(const auto names, files_.list(directory_));
  std::vector<std::uint64_t> sequences;
  for (const std::string& name : names) {
    if (const auto sequence = wal_file_sequence(name)) sequences.push_back(*sequence);
  }
  std::sort(sequences.rbegin(), sequences.rend());
  Found found;
  found.any = !sequences.empty();
  for (const std::uint64_t sequence : sequences) {
    SPRINGG_ASSIGN_OR_RETURN(auto file, open(sequence));
    if (!file) continue;
    if (file->header.first_lsn <= next_) {
      found.file = std::move(file);
      break;
    }
    found.next = file->header;
  }
  SPRINGG_RETURN_IF_ERROR(step_back(found));
  return found;
}

Status WalFollower::step_back(Found& found) {
  if (!file_ || !found.file || found.file->header.first_lsn < next_) return {};
  if (found.file->sequence <= file_->sequence + 1) return {};
  SPRINGG_ASSIGN_OR_RETURN(auto before, open(found.file->sequence - 1));
  if (!before || before->header.first_lsn >= next_) return {};
  found.next = found.file->header;
  found.file = std::move(before);
  return {};
}

void WalFollower::enter(File&& file) {
  const bool same =
      file_ && file_->sequence == file.sequence && file_->header_bytes == file.header_bytes;
  if (!same) {
    offset_ = kWalHeaderBytes;
    frame_ = file.header.first_lsn;
    chain_ = wal_header_crc(file.bytes());
  }
  file_ = std::move(file);  // a new mapping, where a file system's do not follow the file
}

Result<WalFollower::End> WalFollower::advance(Look look,
                                              base::FunctionRef<Status(const WalFrame&)> visit) {
  try {
    for (;;) {
      SPRINGG_ASSIGN_OR_RETURN(Found found, find());
      if (!found.file && found.any) return End::kGone;
      if (!found.file) return next_ <= last_.lsn ? End::kOther : End::kReached;
      enter(std::move(*found.file));
      const bool complete = found.next.has_value();
      SPRINGG_ASSIGN_OR_RETURN(const End end,
                               read(bytes_of_log(found.next), complete, look, visit));
      if (end == End::kOther) return end;
      // A recovery's file has all that was left before it has its name.
      if (!complete) return frame_ <= last_.lsn ? End::kOther : end;
      SPRINGG_RETURN_IF_ERROR(check_joint(*found.next));
    }
  } catch (const std::bad_alloc&) {
    return resource_exhausted("no memory to read the log in " + directory_);
  }
}

std::uint64_t WalFollower::bytes_of_log(const std::optional<WalFileHeader>& next) const {
  const std::uint64_t size = file_->bytes().size();
  const bool follows = next.has_value() && next->sequence == file_->sequence + 1;
  return follows ? std::min(next->previous_bytes, size) : size;
}

Status WalFollower::check_joint(const WalFileHeader& next) const {
  const std::string begin = std::to_string(next.first_lsn);
  if (next_ < next.first_lsn) {
    return damaged_at(
        file_->path, offset_, next_,
        "the next file starts with position " + begin + ", before that one is missing");
  }
  if (next.sequence != file_->sequence + 1) return {};
  if (frame_ == next.first_lsn && chain_ == next.previous_crc) return {};
  return damaged_at(directory_ + "/" + wal_file_name(next.sequence), 0, frame_,
                    "it does not follow the file before it, it starts with position " + begin);
}

// None when no header verifies.
Result<std::optional<WalFrameHeader>> WalFollower::next_header(std::uint64_t limit) const {
  const auto rest = file_->bytes().subspan(offset_, limit - offset_);
  const auto header = decode_wal_frame_header(rest, file_->header.salt);
  if (!header) return std::optional<WalFrameHeader>();
  if (header->lsn != frame_ || header->previous_crc != chain_ ||
      header->durable_lsn >= header->lsn) {
    return damaged_at(file_->path, offset_, frame_,
                      "a frame does not follow the one before it, it has position " +
                          std::to_string(header->lsn));
  }
  if (header->payload_bytes > kWalPayloadBytesMax ||
      wal_frame_bytes(header->payload_bytes) > rest.size()) {
    return damaged_at(file_->path, offset_, frame_,
                      "a frame of " + std::to_string(header->payload_bytes) + " bytes in the " +
                          std::to_string(rest.size()) + " that are left");
  }
  return header;
}

// A writer may be at work between any two looks. So what seems to be damaged is looked at once more
// after the evidence against it, which was written later than it.
WalFollower::Payload WalFollower::judge_payload(const WalFrameHeader& header, bool complete,
                                                Look look) const {
  const std::uint64_t size = wal_frame_bytes(header.payload_bytes);
  const auto frame = file_->bytes().subspan(offset_, size);
  if (wal_payload_holds(header, frame, file_->header.salt)) return Payload::kWhole;
  bool written = complete;
  if (!written && look == Look::kFully) {
    written = was_written(file_->bytes(), file_->header.salt, {offset_, header.lsn, size, 0});
  }
  if (!written) return Payload::kUnfinished;
  return wal_payload_holds(header, frame, file_->header.salt) ? Payload::kWhole : Payload::kDamaged;
}

Result<WalFollower::End> WalFollower::judge_rest(bool complete, Look look) const {
  const auto bytes = file_->bytes();
  if (complete || look == Look::kBriefly) {
    const auto begin = bytes.subspan(offset_, std::min(kFrameBytesMin, bytes.size() - offset_));
    return end_of_bytes(begin, 0) == 0 ? End::kReached : End::kUnfinished;
  }
  if (end_of_bytes(bytes, offset_) == offset_) return End::kReached;
  if (was_written(bytes, file_->header.salt, {offset_, frame_, std::nullopt, 0}) &&
      !decode_wal_frame_header(bytes.subspan(offset_), file_->header.salt)) {
    return damaged_at(file_->path, offset_, frame_, "a frame's header is damaged");
  }
  return End::kUnfinished;
}

std::span<const std::byte> WalFollower::decode(const WalFrameHeader& header) {
  payload_.resize(std::max<std::size_t>(payload_.size(), header.payload_bytes));
  const auto payload = std::span(payload_).first(header.payload_bytes);
  decode_wal_payload(payload, file_->bytes().subspan(offset_), file_->header.salt);
  return payload;
}

// A power cut, or a failed sync, takes frames that were visited; the next writer gives their
// positions to others. Stamps grow with positions, so the first of those tells mostly.
bool WalFollower::is_other(const WalFrameHeader& header) {
  if (header.lsn < last_.lsn) return header.stamp >= last_.stamp;
  return header.lsn == last_.lsn && mark_of(header, decode(header)) != last_;
}

bool WalFollower::is_covered(const WalFrameHeader& header) const {
  const auto found = covered_.find(header.index_ref);
  return found != covered_.end() && header.lsn <= found->second;
}

Status WalFollower::deliver(const WalFrameHeader& header, std::span<const std::byte> payload,
                            base::FunctionRef<Status(const WalFrame&)> visit) {
  if (header.flags != 0 || header.origin != 0 || header.reserved != 0 ||
      (!known_type(header.type) && !skippable(header.type))) {
    return unsupported(file_->path + " has a record of type " + std::to_string(header.type) +
                       " and flags " + std::to_string(header.flags) +
                       " that this release does not know, at byte " + std::to_string(offset_))
        .with("file", file_->path)
        .with("lsn", static_cast<std::int64_t>(header.lsn));
  }
  if (!known_type(header.type) || is_covered(header)) return {};
  if (damaged_.contains(header.index_ref)) return {};
  return visit({header.lsn,
                header.durable_lsn,
                header.stamp,
                {header.index_ref, static_cast<WalType>(header.type), payload}});
}

bool WalFollower::skip_damage(std::uint64_t limit) {
  if (frame_ >= next_) return false;
  const auto bytes = file_->bytes().first(limit);
  const auto found = next_whole_frame(bytes, file_->header.salt, offset_, frame_, next_);
  if (!found) return false;
  const auto header = decode_wal_frame_header(bytes.subspan(*found), file_->header.salt);
  offset_ = *found;
  frame_ = header->lsn;
  chain_ = header->previous_crc;
  return true;
}

Result<WalFollower::End> WalFollower::read(std::uint64_t limit, bool complete, Look look,
                                           base::FunctionRef<Status(const WalFrame&)> visit) {
  while (limit >= offset_ + kFrameBytesMin) {
    SPRINGG_ASSIGN_OR_RETURN(const auto header, next_header(limit));
    if (!header && skip_damage(limit)) continue;
    if (!header) return judge_rest(complete, look);
    if (is_other(*header)) return End::kOther;
    if (header->lsn >= next_) {
      const Payload judged = judge_payload(*header, complete, look);
      if (judged == Payload::kUnfinished) return End::kUnfinished;
      if (judged == Payload::kDamaged && !is_covered(*header)) {
        damaged_.try_emplace(header->index_ref, WalDamage{file_->path, offset_, header->lsn});
      }
      const auto payload = decode(*header);
      SPRINGG_RETURN_IF_ERROR(deliver(*header, payload, visit));
      if (header->lsn > last_.lsn) last_ = mark_of(*header, payload);
      next_ = header->lsn + 1;
    }
    offset_ += wal_frame_bytes(header->payload_bytes);
    frame_ = header->lsn + 1;
    chain_ = header->header_crc;
  }
  return End::kReached;
}

}  // namespace springg::storage
