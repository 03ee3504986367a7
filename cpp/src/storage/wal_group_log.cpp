// SPDX-License-Identifier: MIT
#include "storage/wal_group_log.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "base/seeded_bug.h"

namespace springg::storage {

namespace {

constexpr std::uint64_t kWaitingBytesMax = std::uint64_t{16} << 20;
constexpr std::uint64_t kGrowth = 4;  // of each file over the one before

std::uint64_t whole_sectors(std::uint64_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}

std::uint64_t file_bytes_for(std::uint64_t frame_bytes) {
  return whole_sectors(kWalHeaderBytes + frame_bytes);
}

// What every later call gets, whatever the code of the first error was. with() adds in place.
Status failure_of(const Status& error) noexcept try {
  Status status(ErrorCode::kIoError, "the log has failed: " + error.message());
  for (const ErrorDetail& detail : error.details()) {
    if (const auto* number = std::get_if<std::int64_t>(&detail.value)) {
      (void)std::move(status).with(detail.key, *number);  // NOLINT(bugprone-use-after-move)
    } else {
      // NOLINTNEXTLINE(bugprone-use-after-move)
      (void)std::move(status).with(detail.key, std::get<std::string>(detail.value));
    }
  }
  return status;
} catch (const std::bad_alloc&) {
  return io_error("log has failed");  // a text that needs no memory
}

}  // namespace

GroupLog::GroupLog(io::FileSystem& files, const WalSettings& settings, base::WallClock clock)
    : files_(files),
      directory_(settings.directory),
      store_(settings.store),
      file_bytes_min_(whole_sectors(std::max<std::uint64_t>(settings.file_bytes_min, 1))),
      file_bytes_max_(whole_sectors(std::max<std::uint64_t>(settings.file_bytes_max, 1))),
      sync_interval_(settings.sync_interval_ms),
      clock_(clock),
      random_(settings.random),
      last_stamp_(settings.last_stamp),
      gather_(settings.previous_bytes, settings.previous_crc),
      last_lsn_(settings.first_lsn - 1),
      written_lsn_(last_lsn_.load()),
      durable_lsn_(last_lsn_.load()),
      next_sequence_(settings.sequence),
      next_bytes_(file_bytes_min_) {
  const Lsn before = settings.first_lsn - 1 - settings.tail.size();
  inventory_.add_older(settings.older, settings.older_live_bytes, before);
}

GroupLog::~GroupLog() { stop_thread(); }

Status GroupLog::write_tail(std::span<const WalTailRecord> tail) {
  base::MutexLock lock(mutex_);
  const Lsn before = last_lsn() - tail.size();
  std::uint64_t bytes = 0;
  for (const WalTailRecord& record : tail) bytes += wal_frame_bytes(record.payload.size());
  if (bytes > kWalFileBytesMax - 2 * kWalHeaderBytes) {
    return resource_exhausted("the tail of the log has " + std::to_string(bytes) + " bytes");
  }
  last_lsn_ = before;  // what the new file starts behind
  SPRINGG_RETURN_IF_ERROR(prepare_file(bytes));
  SPRINGG_RETURN_IF_ERROR(begin_file());
  Lsn lsn = before;
  for (const WalTailRecord& record : tail) {
    const WalFrame frame{
        ++lsn, before, record.stamp, {record.index_ref, record.type, record.payload}};
    SPRINGG_RETURN_IF_ERROR(gather_.add(frame));
    inventory_.add_frame(lsn, wal_frame_bytes(record.payload.size()));
  }
  WalFlight flight = gather_.take();
  // All of it is in the file before the file has its name: never a part of the tail.
  SPRINGG_RETURN_IF_ERROR(flight.newest.file->write_at(flight.newest.offset, flight.newest.bytes));
  SPRINGG_RETURN_IF_ERROR(flight.newest.file->activate());
  writing_ = std::move(flight.newest.file);
  last_lsn_ = lsn;
  written_lsn_ = lsn;
  durable_lsn_ = lsn;
  return {};
}

std::uint64_t GroupLog::next_stamp() {
  last_stamp_ = std::max(last_stamp_ + 1, clock_() << 16);
  return last_stamp_;
}

Result<Lsn> GroupLog::append(const WalRecord& record) {
  if (record.payload.size() > kWalPayloadBytesMax) {
    return invalid_argument("bytes of a record in the log: expected at most " +
                            std::to_string(kWalPayloadBytesMax) + ", got " +
                            std::to_string(record.payload.size()));
  }
  const std::uint64_t size = wal_frame_bytes(record.payload.size());
  base::MutexLock lock(mutex_);
  SPRINGG_RETURN_IF_ERROR(bound_waiting_bytes());
  SPRINGG_RETURN_IF_ERROR(make_room(size));
  SPRINGG_RETURN_IF_ERROR(start_thread());
  const Lsn lsn = last_lsn() + 1;
  SPRINGG_RETURN_IF_ERROR(gather_.add({lsn, durable_lsn(), next_stamp(), record}));
  inventory_.add_frame(lsn, size);
  if (last_lsn() == durable_lsn()) unsynced_since_ = Clock::now();
  last_lsn_.store(lsn, std::memory_order_release);
  if (gather_.more_than_half_full() && prepared_ == nullptr && !prepare_tried_) {
    prepare_tried_ = true;
    prepare_wanted_ = true;
    wake_.notify_one();
  } else if (idle_) {
    idle_ = false;
    wake_.notify_one();
  }
  return lsn;
}

Status GroupLog::bound_waiting_bytes() {
  while (failed_.ok() && gather_.waiting_bytes() >= kWaitingBytesMax) {
    if (leading_) {
      this_flight().wait(mutex_);
    } else {
      lead(false);
    }
  }
  return {};
}

Status GroupLog::make_room(std::uint64_t frame_bytes) {
  for (;;) {
    if (!failed_.ok()) return failed_;
    if (gather_.fits(frame_bytes)) return {};
    if (preparing_) {
      prepared_changed_.wait(mutex_);
      continue;
    }
    if (prepared_ != nullptr && prepared_->bytes() >= file_bytes_for(frame_bytes)) {
      SPRINGG_RETURN_IF_ERROR(begin_file());
    } else {
      SPRINGG_RETURN_IF_ERROR(prepare_file(frame_bytes));
    }
  }
}

// Takes the prepared file into use. Its header says where the one before it ends, which is known
// only now; the leader writes it.
Status GroupLog::begin_file() {
  WalFileHeader header;
  header.store = store_;
  header.sequence = prepared_->sequence();
  header.first_lsn = last_lsn() + 1;
  header.salt = make_wal_salt(random_);
  try {
    inventory_.add_file({header.sequence, header.first_lsn});
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  if (Status status = gather_.begin_file(std::exchange(prepared_, nullptr), header); !status.ok()) {
    inventory_.take_back();
    return status;
  }
  next_sequence_ = header.sequence + 1;
  next_bytes_ = std::min(next_bytes_ * kGrowth, file_bytes_max_);
  prepare_tried_ = false;
  return {};
}

// At least as large as the frame needs, larger where there is space. After an error that is not a
// full disk the log has failed.
Status GroupLog::prepare_file(std::uint64_t frame_bytes) {
  const std::uint64_t needed = file_bytes_for(frame_bytes);
  const std::uint64_t sequence = next_sequence_;
  const std::uint64_t size = std::max(next_bytes_, needed);
  const std::uint64_t smaller = std::max(file_bytes_min_, needed);
  preparing_ = true;
  std::shared_ptr<WalFile> small = std::exchange(prepared_, nullptr);
  mutex_.unlock();
  small.reset();  // it has the name
  Status status;
  std::shared_ptr<WalFile> file;
  try {
    auto prepared = WalFile::prepare(files_, directory_, sequence, size);
    if (!prepared.ok() && smaller < size &&
        prepared.status().code() == ErrorCode::kResourceExhausted) {
      prepared = WalFile::prepare(files_, directory_, sequence, smaller);
    }
    if (prepared.ok()) {
      file = std::move(prepared).value();
    } else {
      status = prepared.take_status();
    }
  } catch (const std::bad_alloc&) {
    status = out_of_memory();
  }
  mutex_.lock();
  preparing_ = false;
  prepared_ = std::move(file);
  prepared_changed_.notify_all();
  if (status.ok() || status.code() == ErrorCode::kResourceExhausted) return status;
  fail(status);
  return failed_;
}

Status GroupLog::wait(Lsn lsn, WalProgress progress) {
  if (lsn <= durable_lsn()) return {};
  base::MutexLock lock(mutex_);
  if (lsn > last_lsn()) {
    return invalid_argument("position to wait for: expected at most " + std::to_string(last_lsn()) +
                            ", got " + std::to_string(lsn));
  }
  if (progress == WalProgress::kAppended) return failed_;
  const bool durable =
      progress == WalProgress::kDurable && base::kSeededBug != base::kBugAckBeforeSync;
  const std::atomic<Lsn>& reached = durable ? durable_lsn_ : written_lsn_;
  if (durable) durable_wanted_ = std::max(durable_wanted_, lsn);
  ++waiting_;
  if (!durable) ++waiting_written_;
  while (reached.load() < lsn && failed_.ok()) {
    if (!leading_) {
      lead(durable);
    } else if (lsn <= flight_lsn_) {
      this_flight().wait(mutex_);
    } else {
      next_flight().wait(mutex_);
    }
  }
  --waiting_;
  if (!durable) --waiting_written_;
  return lsn <= durable_lsn() ? Status() : failed_;
}

// Those whom the last flight woke are about to append again: in one flight with them all there is
// one sync, not two.
void GroupLog::let_others_gather() {
  constexpr int kRounds = 4;
  if (waiting_ < 2) return;
  for (int i = 0; i < kRounds; ++i) {
    const Lsn before = last_lsn();
    mutex_.unlock();
    std::this_thread::yield();
    mutex_.lock();
    if (last_lsn() == before) return;
  }
}

void GroupLog::lead(bool sync) {
  leading_ = true;
  ++flight_;
  flight_lsn_ = std::numeric_limits<Lsn>::max();  // it takes all who come until it starts
  let_others_gather();
  const Lsn lsn = last_lsn();
  flight_lsn_ = lsn;
  const Clock::time_point taken_at = Clock::now();
  WalFlight flight = gather_.take();
  mutex_.unlock();
  Status status = write(flight);
  mutex_.lock();
  if (status.ok()) {
    written_lsn_.store(lsn, std::memory_order_release);
    sync = sync || durable_wanted_ > durable_lsn();
    if (sync) {
      if (waiting_written_ != 0) this_flight().notify_all();
      mutex_.unlock();
      status = sync_file();
      mutex_.lock();
    }
  }
  gather_.give_back(std::move(flight.newest.bytes));
  leading_ = false;
  if (!status.ok()) return fail(status);
  if (sync) {
    durable_lsn_.store(lsn, std::memory_order_release);
    unsynced_since_ = taken_at;
  }
  base::CondVar& landed = this_flight();
  base::CondVar& leads_next = next_flight();
  // Whom this wakes would only wait for the mutex.
  mutex_.unlock();
  leads_next.notify_one();
  landed.notify_all();
  mutex_.lock();
}

Status GroupLog::write(const WalFlight& flight) {
  try {
    for (const WalBatch& batch : flight.older) SPRINGG_RETURN_IF_ERROR(write_batch(batch));
    return write_batch(flight.newest);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

// A file gets its name only when the one before it is on the disk.
Status GroupLog::write_batch(const WalBatch& batch) {
  if (batch.file == nullptr) return {};
  if (batch.file != writing_) {
    if (writing_ != nullptr) SPRINGG_RETURN_IF_ERROR(writing_->sync());
    SPRINGG_RETURN_IF_ERROR(batch.file->activate());
    writing_ = batch.file;
  }
  return batch.bytes.empty() ? Status() : batch.file->write_at(batch.offset, batch.bytes);
}

Status GroupLog::sync_file() {
  try {
    return writing_ == nullptr ? Status() : writing_->sync();
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}

void GroupLog::fail(const Status& status) noexcept {
  if (failed_.ok()) failed_ = failure_of(status);
  for (base::CondVar& landed : landed_) landed.notify_all();
  prepared_changed_.notify_all();
  wake_.notify_all();
}

void GroupLog::give_up(const Status& error) {
  base::MutexLock lock(mutex_);
  fail(error);
}

Status GroupLog::failure() const {
  base::MutexLock lock(mutex_);
  return failed_;
}

std::uint64_t GroupLog::live_bytes() const {
  base::MutexLock lock(mutex_);
  return inventory_.live_bytes();
}

std::string GroupLog::path_of(std::uint64_t sequence) const {
  return directory_ + "/" + wal_file_name(sequence);
}

void GroupLog::remove_through(Lsn checkpoint) noexcept {
  {
    base::MutexLock lock(mutex_);
    inventory_.release(checkpoint, last_lsn());
  }
  for (;;) {
    std::optional<std::uint64_t> sequence;
    {
      base::MutexLock lock(mutex_);
      sequence = inventory_.take_unneeded(checkpoint, written_lsn());
    }
    if (!sequence) return;
    (void)remove_file(*sequence);
  }
}

Status GroupLog::remove_file(std::uint64_t sequence) noexcept try {
  return files_.remove(path_of(sequence));
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

void GroupLog::close_and_remove() {
  Status closed = failed_precondition("the log is closed: " + directory_);
  stop_thread();
  base::MutexLock lock(mutex_);
  while (leading_) this_flight().wait(mutex_);
  while (preparing_) prepared_changed_.wait(mutex_);
  failed_ = std::move(closed);
  // Closed before they are removed.
  writing_.reset();
  prepared_.reset();
  gather_ = WalGather(0, 0);
  // The oldest first, and none behind one that stays: what is left are the newest, which is what a
  // reader can do with.
  while (const auto sequence = inventory_.take_any()) {
    const Status status = remove_file(*sequence);
    // A file that got no frame written has no name yet.
    if (!status.ok() && status.code() != ErrorCode::kNotFound) return;
  }
}

}  // namespace springg::storage
