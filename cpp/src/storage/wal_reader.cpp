// SPDX-License-Identifier: MIT
#include "storage/wal_reader.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <new>
#include <utility>

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

struct LogFile {
  std::string path;
  std::shared_ptr<const io::MappedFile> mapped;
  WalFileHeader header;

  std::span<const std::byte> bytes() const { return mapped->bytes(); }
};

class Scanner {
 public:
  Scanner(io::FileSystem& files, const std::string& directory, const base::Uuid& store, Lsn after,
          Lsn durable, base::FunctionRef<Status(const WalFrame&)> visit, const WalCovered& covered)
      : files_(files),
        directory_(directory),
        store_(store),
        after_(after),
        durable_(durable),
        visit_(visit),
        covered_(covered) {
    scan_.durable_lsn = std::max(after, durable);
  }

  Result<WalScan> run() {
    SPRINGG_RETURN_IF_ERROR(list());
    SPRINGG_RETURN_IF_ERROR(open_needed());
    for (std::size_t i = 0; i + 1 < log_.size(); ++i) {
      SPRINGG_RETURN_IF_ERROR(read_older(log_[i], log_[i + 1]));
    }
    if (!log_.empty()) SPRINGG_RETURN_IF_ERROR(read_newest(log_.back()));
    SPRINGG_RETURN_IF_ERROR(conclude());
    // Zeros in the place of what cannot be read look like an end that was torn.
    for (const LogFile& file : log_) {
      if (file.mapped->unreadable()) return unreadable_file(file.path);
    }
    return std::move(scan_);
  }

 private:
  Status list() {
    SPRINGG_ASSIGN_OR_RETURN(const auto names, files_.list(directory_));
    for (const std::string& name : names) {
      if (const auto sequence = wal_file_sequence(name)) scan_.files.push_back({*sequence, 0});
    }
    std::sort(scan_.files.begin(), scan_.files.end(),
              [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
    scan_.any_file = !scan_.files.empty();
    if (scan_.any_file) scan_.last_sequence = scan_.files.back().sequence;
    return {};
  }

  Result<LogFile> open(std::uint64_t sequence) {
    LogFile file;
    file.path = directory_ + "/" + wal_file_name(sequence);
    SPRINGG_ASSIGN_OR_RETURN(file.mapped, files_.map(file.path));
    SPRINGG_ASSIGN_OR_RETURN(file.header, decode_wal_header(file.path, file.bytes()));
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
    return file;
  }

  // From the newest file back to the one with the frame behind `after`.
  Status open_needed() {
    for (std::size_t i = scan_.files.size(); i-- > 0;) {
      WalFileStart& start = scan_.files[i];
      SPRINGG_ASSIGN_OR_RETURN(LogFile file, open(start.sequence));
      start.first_lsn = file.header.first_lsn;
      const std::uint64_t previous_bytes = file.header.previous_bytes;
      log_.insert(log_.begin(), std::move(file));
      if (start.first_lsn - 1 <= after_) return {};
      const bool follows = i > 0 && scan_.files[i - 1].sequence == start.sequence - 1;
      if (!follows || previous_bytes == 0) {
        return damaged_at(log_.front().path, 0, after_ + 1,
                          "the log before this file is missing, which starts with position " +
                              std::to_string(start.first_lsn));
      }
    }
    return {};
  }

  void start(const LogFile& file) {
    offset_ = kWalHeaderBytes;
    next_ = file.header.first_lsn;
    chain_ = wal_header_crc(file.bytes());
  }

  // The header at offset_, whose frame lies before `limit` and follows the one before it. None when
  // no header verifies.
  Result<std::optional<WalFrameHeader>> next_header(const LogFile& file, std::uint64_t limit) {
    const auto rest = file.bytes().subspan(offset_, limit - offset_);
    const auto header = decode_wal_frame_header(rest, file.header.salt);
    if (!header) return std::optional<WalFrameHeader>();
    if (header->lsn != next_ || header->previous_crc != chain_ ||
        header->durable_lsn >= header->lsn) {
      return damaged_at(file.path, offset_, next_,
                        "a frame does not follow the one before it, it has position " +
                            std::to_string(header->lsn));
    }
    if (header->payload_bytes > kWalPayloadBytesMax ||
        wal_frame_bytes(header->payload_bytes) > rest.size()) {
      return damaged_at(file.path, offset_, next_,
                        "a frame of " + std::to_string(header->payload_bytes) + " bytes in the " +
                            std::to_string(rest.size()) + " that are left");
    }
    return header;
  }

  // Damage to frames that are not needed is of no consequence: behind it the scan goes on with the
  // next whole frame that does not lie beyond the first that is needed.
  bool skip_damage(const LogFile& file, std::uint64_t limit) {
    if (next_ > after_) return false;
    const auto bytes = file.bytes().first(limit);
    const auto found = next_whole_frame(bytes, file.header.salt, offset_, next_, after_ + 1);
    if (!found) return false;
    const auto header = decode_wal_frame_header(bytes.subspan(*found), file.header.salt);
    offset_ = *found;
    next_ = header->lsn;
    chain_ = header->previous_crc;
    return true;
  }

  void pass(const WalFrameHeader& header) {
    offset_ += wal_frame_bytes(header.payload_bytes);
    next_ = header.lsn + 1;
    chain_ = header.header_crc;
    scan_.durable_lsn = std::max(scan_.durable_lsn, header.durable_lsn);
    scan_.last_stamp = std::max(scan_.last_stamp, header.stamp);
  }

  // Nobody needs what the frame holds, so damage to it is of no consequence. What the manifest
  // covers was on the disk before it; anything beyond that may have to be written anew, and is
  // looked at whoever needs it.
  bool covered(const WalFrameHeader& header) const {
    const auto found = covered_.find(header.index_ref);
    return found != covered_.end() && header.lsn <= std::min(found->second, durable_);
  }

  // Whether what is written in the frame is to be believed or known to be damaged; else it is torn.
  bool judge(const LogFile& file, const WalFrameHeader& header, bool newest) {
    if (covered(header)) return true;
    const std::uint64_t size = wal_frame_bytes(header.payload_bytes);
    if (wal_payload_holds(header, file.bytes().subspan(offset_, size), file.header.salt)) {
      return true;
    }
    const WalBadFrame bad{offset_, header.lsn, size, durable_};
    if (newest && !was_written(file.bytes(), file.header.salt, bad)) return false;
    scan_.damaged_indexes.try_emplace(header.index_ref, WalDamage{file.path, offset_, header.lsn});
    // It cannot be written anew.
    scan_.durable_lsn = std::max(scan_.durable_lsn, header.lsn);
    return true;
  }

  Status deliver(const LogFile& file, const WalFrameHeader& header) {
    const std::uint64_t size = wal_frame_bytes(header.payload_bytes);
    scan_.live_bytes += size;
    if (header.flags != 0 || header.origin != 0 || header.reserved != 0 ||
        (!known_type(header.type) && (header.type & kWalTypeSkippable) == 0)) {
      return unsupported(file.path + " has a record of type " + std::to_string(header.type) +
                         " and flags " + std::to_string(header.flags) +
                         " that this release does not know, at byte " + std::to_string(offset_))
          .with("file", file.path)
          .with("lsn", static_cast<std::int64_t>(header.lsn));
    }
    if (!known_type(header.type) || covered(header)) return {};
    if (scan_.damaged_indexes.contains(header.index_ref)) return {};
    payload_.resize(std::max<std::size_t>(payload_.size(), header.payload_bytes));
    const auto payload = std::span(payload_).first(header.payload_bytes);
    decode_wal_payload(payload, file.bytes().subspan(offset_, size), file.header.salt);
    return visit_({header.lsn,
                   header.durable_lsn,
                   header.stamp,
                   {header.index_ref, static_cast<WalType>(header.type), payload}});
  }

  // All of it was on the disk before the file after it got its name: nothing in it may be missing.
  Status read_older(const LogFile& file, const LogFile& after) {
    const std::uint64_t limit = after.header.previous_bytes;
    if (limit > file.bytes().size()) {
      return damaged_at(file.path, file.bytes().size(), after.header.first_lsn,
                        "the next file counts " + std::to_string(limit) + " bytes of it");
    }
    start(file);
    while (offset_ < limit) {
      SPRINGG_ASSIGN_OR_RETURN(const auto header, next_header(file, limit));
      if (!header && skip_damage(file, limit)) continue;
      if (!header) return damaged_at(file.path, offset_, next_, "a frame's header is damaged");
      if (header->lsn > after_) {
        (void)judge(file, *header, false);
        SPRINGG_RETURN_IF_ERROR(deliver(file, *header));
      }
      pass(*header);
    }
    if (next_ != after.header.first_lsn || chain_ != after.header.previous_crc) {
      return damaged_at(after.path, 0, next_,
                        "it does not follow the file before it, it starts with position " +
                            std::to_string(after.header.first_lsn));
    }
    return {};
  }

  Status read_newest(const LogFile& file) {
    const auto bytes = file.bytes();
    start(file);
    std::optional<std::uint64_t> torn_frame_bytes;
    while (bytes.size() - offset_ >= kFrameBytesMin) {
      SPRINGG_ASSIGN_OR_RETURN(const auto header, next_header(file, bytes.size()));
      if (!header && skip_damage(file, bytes.size())) continue;
      if (!header) break;
      if (header->lsn > after_) {
        if (!judge(file, *header, true)) {
          torn_frame_bytes = wal_frame_bytes(header->payload_bytes);
          break;
        }
        SPRINGG_RETURN_IF_ERROR(deliver(file, *header));
      }
      pass(*header);
    }
    const std::uint64_t end = end_of_bytes(bytes, offset_);
    if (end == offset_) return {};
    const WalBadFrame bad{offset_, next_, std::nullopt, next_ > after_ ? durable_ : 0};
    if (!torn_frame_bytes && was_written(bytes, file.header.salt, bad)) {
      return damaged_at(file.path, offset_, next_, "a frame's header is damaged");
    }
    scan_.torn_bytes = end - offset_;
    scan_.torn_offset = offset_;
    return {};
  }

  Status conclude() {
    const Lsn end = log_.empty() ? 0 : next_ - 1;
    scan_.last_lsn = std::max(end, after_);
    if (durable_ > scan_.last_lsn) {
      const std::string path = log_.empty() ? directory_ : log_.back().path;
      return damaged_at(
          path, offset_, scan_.last_lsn + 1,
          "the log ends before position " + std::to_string(durable_) + ", which was on the disk");
    }
    // Frames that end before `after` are no part of what goes on.
    if (log_.empty() || end < after_) return {};
    const LogFile& file = log_.back();
    scan_.durable_lsn = std::max(scan_.durable_lsn, file.header.first_lsn - 1);
    return collect_tail(file, end);
  }

  // The frames up to `end` verified before.
  Status collect_tail(const LogFile& file, Lsn end) {
    start(file);
    while (next_ <= scan_.durable_lsn) {
      const auto header = decode_wal_frame_header(file.bytes().subspan(offset_), file.header.salt);
      if (!header && skip_damage(file, file.bytes().size())) continue;
      if (!header) return damaged_at(file.path, offset_, next_, "it changed while it was read");
      pass(*header);
    }
    scan_.tail_offset = offset_;
    scan_.tail_crc = chain_;
    while (next_ <= end) {
      const auto header = decode_wal_frame_header(file.bytes().subspan(offset_), file.header.salt);
      if (!header) return damaged_at(file.path, offset_, next_, "it changed while it was read");
      WalTailRecord record{header->stamp, header->index_ref, static_cast<WalType>(header->type),
                           std::vector<std::byte>(header->payload_bytes)};
      decode_wal_payload(record.payload, file.bytes().subspan(offset_), file.header.salt);
      scan_.tail.push_back(std::move(record));
      scan_.live_bytes -= wal_frame_bytes(header->payload_bytes);
      pass(*header);
    }
    return {};
  }

  io::FileSystem& files_;
  const std::string& directory_;
  const base::Uuid& store_;
  Lsn after_;
  Lsn durable_;
  base::FunctionRef<Status(const WalFrame&)> visit_;
  const WalCovered& covered_;
  WalScan scan_;
  std::vector<LogFile> log_;  // those that are read, by sequence
  // Where the next frame is expected.
  std::uint64_t offset_ = 0;
  Lsn next_ = 0;
  std::uint32_t chain_ = 0;
  std::vector<std::byte> payload_;
};

}  // namespace

WalCovered covered_by(const Manifest& manifest) {
  WalCovered covered;
  for (const IndexEntry& index : manifest.indexes) covered.emplace(index.log_ref, index.lsn);
  return covered;
}

Result<Lsn> greatest_lsn(io::FileSystem& files, const std::string& directory) {
  SPRINGG_ASSIGN_OR_RETURN(const auto names, files.list(directory));
  Lsn greatest = 0;
  for (const std::string& name : names) {
    if (!wal_file_sequence(name)) continue;
    std::string path = directory;
    path.append("/").append(name);
    SPRINGG_ASSIGN_OR_RETURN(const auto mapped, files.map(path));
    const auto bytes = mapped->bytes();
    const auto file = decode_wal_header(path, bytes);
    if (file.status().code() == ErrorCode::kCorruption) continue;
    SPRINGG_RETURN_IF_ERROR(file.status());
    std::uint64_t from = 0;
    while (const auto found = next_whole_frame(bytes, file->salt, from, greatest,
                                               std::numeric_limits<Lsn>::max())) {
      from = *found;
      greatest = decode_wal_frame_header(bytes.subspan(from), file->salt)->lsn;
    }
  }
  return greatest;
}

Result<WalScan> scan_wal(io::FileSystem& files, const std::string& directory,
                         const base::Uuid& store, Lsn after, Lsn durable,
                         base::FunctionRef<Status(const WalFrame&)> visit,
                         const WalCovered& covered) {
  try {
    return Scanner(files, directory, store, after, durable, visit, covered).run();
  } catch (const std::bad_alloc&) {
    return resource_exhausted("no memory to read the log in " + directory);
  }
}

}  // namespace springg::storage
