// SPDX-License-Identifier: MIT
#include "storage/write_ahead_log.h"

#include "storage/wal_group_log.h"

namespace springg::storage {

void continue_wal(const WalScan& scan, WalSettings& settings) {
  settings.sequence = scan.last_sequence + 1;
  settings.first_lsn = scan.last_lsn + 1;
  settings.previous_bytes = scan.tail_offset;
  settings.previous_crc = scan.tail_crc;
  settings.last_stamp = scan.last_stamp;
  settings.tail = scan.tail;
  settings.older = scan.files;
  settings.older_live_bytes = scan.live_bytes;
}

Result<std::unique_ptr<WriteAheadLog>> WriteAheadLog::create(io::FileSystem& files,
                                                             const WalSettings& settings,
                                                             base::WallClock clock) {
  if (settings.file_bytes_min > settings.file_bytes_max ||
      settings.file_bytes_max > kWalFileBytesMax) {
    return invalid_argument(
        "sizes of the log's files: expected min <= max <= " + std::to_string(kWalFileBytesMax) +
        ", got " + std::to_string(settings.file_bytes_min) + " and " +
        std::to_string(settings.file_bytes_max));
  }
  if (settings.first_lsn <= settings.tail.size()) {
    return invalid_argument("first position of the log: expected more than the " +
                            std::to_string(settings.tail.size()) + " records of the tail, got " +
                            std::to_string(settings.first_lsn));
  }
  auto log = std::make_unique<GroupLog>(files, settings, clock);
  if (!settings.tail.empty()) SPRINGG_RETURN_IF_ERROR(log->write_tail(settings.tail));
  return std::unique_ptr<WriteAheadLog>(std::move(log));
}

}  // namespace springg::storage
