// SPDX-License-Identifier: MIT
// Group commit. Appenders put frames into a buffer under the mutex. Of those who wait one leads:
// it takes what has gathered, writes and syncs it without the mutex while others gather anew, and
// wakes those it took. A flight is what one leader writes; flights are numbered.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "storage/wal_file.h"
#include "storage/wal_gather.h"
#include "storage/wal_inventory.h"
#include "storage/write_ahead_log.h"

namespace springg::storage {

class GroupLog final : public WriteAheadLog {
 public:
  GroupLog(io::FileSystem& files, const WalSettings& settings, base::WallClock clock);
  ~GroupLog() override;

  // Before any other call.
  Status write_tail(std::span<const WalTailRecord> tail);

  Result<Lsn> append(const WalRecord& record) override;
  Status wait(Lsn lsn, WalProgress progress) override;
  Status sync() override { return wait(last_lsn(), WalProgress::kDurable); }
  Lsn last_lsn() const override { return last_lsn_.load(std::memory_order_acquire); }
  Lsn written_lsn() const override { return written_lsn_.load(std::memory_order_acquire); }
  Lsn durable_lsn() const override { return durable_lsn_.load(std::memory_order_acquire); }
  Status failure() const override;
  void give_up(const Status& error) override;
  std::uint64_t live_bytes() const override;
  void remove_through(Lsn checkpoint) noexcept override;
  void close_and_remove() override;

 private:
  using Clock = std::chrono::steady_clock;

  // All of these may let go of the mutex for a while.
  Status make_room(std::uint64_t frame_bytes) SPRINGG_REQUIRES(mutex_);
  Status bound_waiting_bytes() SPRINGG_REQUIRES(mutex_);
  Status prepare_file(std::uint64_t frame_bytes) SPRINGG_REQUIRES(mutex_);
  void lead(bool sync) SPRINGG_REQUIRES(mutex_);
  void let_others_gather() SPRINGG_REQUIRES(mutex_);

  Status begin_file() SPRINGG_REQUIRES(mutex_);
  Status start_thread() SPRINGG_REQUIRES(mutex_);
  void fail(const Status& status) noexcept SPRINGG_REQUIRES(mutex_);
  std::uint64_t next_stamp() SPRINGG_REQUIRES(mutex_);
  base::CondVar& this_flight() SPRINGG_REQUIRES(mutex_) { return landed_[flight_ % 2]; }
  base::CondVar& next_flight() SPRINGG_REQUIRES(mutex_) { return landed_[(flight_ + 1) % 2]; }

  // By the leader alone, without the mutex.
  Status write(const WalFlight& flight);
  Status write_batch(const WalBatch& batch);
  Status sync_file();
  std::string path_of(std::uint64_t sequence) const;
  Status remove_file(std::uint64_t sequence) noexcept;

  void work();
  void prepare_ahead() noexcept SPRINGG_REQUIRES(mutex_);
  void stop_thread();

  io::FileSystem& files_;
  const std::string directory_;
  const base::Uuid store_;
  const std::uint64_t file_bytes_min_;
  const std::uint64_t file_bytes_max_;
  const std::chrono::milliseconds sync_interval_;
  const base::WallClock clock_;
  const base::RandomSource random_;

  mutable base::Mutex mutex_;
  Status failed_ SPRINGG_GUARDED_BY(mutex_);
  std::uint64_t last_stamp_ SPRINGG_GUARDED_BY(mutex_);
  WalGather gather_ SPRINGG_GUARDED_BY(mutex_);
  WalInventory inventory_ SPRINGG_GUARDED_BY(mutex_);
  // Written with the mutex held.
  std::atomic<Lsn> last_lsn_;
  std::atomic<Lsn> written_lsn_;
  std::atomic<Lsn> durable_lsn_;

  // The flight that is under way, or the last one. Those it took wait on its condition, those who
  // came later on the other one: a landing wakes the former all, and of the latter one to lead.
  bool leading_ SPRINGG_GUARDED_BY(mutex_) = false;
  std::uint64_t flight_ SPRINGG_GUARDED_BY(mutex_) = 0;
  Lsn flight_lsn_ SPRINGG_GUARDED_BY(mutex_) = 0;  // the last that it took
  base::CondVar landed_[2];
  Lsn durable_wanted_ SPRINGG_GUARDED_BY(mutex_) = 0;
  unsigned waiting_ SPRINGG_GUARDED_BY(mutex_) = 0;          // callers of wait() in all
  unsigned waiting_written_ SPRINGG_GUARDED_BY(mutex_) = 0;  // of them, not for a sync
  std::shared_ptr<WalFile> writing_;                         // the leader's

  // The file after the one that frames go to.
  std::uint64_t next_sequence_ SPRINGG_GUARDED_BY(mutex_);
  std::uint64_t next_bytes_ SPRINGG_GUARDED_BY(mutex_);
  std::shared_ptr<WalFile> prepared_ SPRINGG_GUARDED_BY(mutex_);
  bool preparing_ SPRINGG_GUARDED_BY(mutex_) = false;
  bool prepare_wanted_ SPRINGG_GUARDED_BY(mutex_) = false;
  bool prepare_tried_ SPRINGG_GUARDED_BY(mutex_) = false;  // for this file: not twice
  base::CondVar prepared_changed_;

  std::thread thread_ SPRINGG_GUARDED_BY(mutex_);
  bool stopping_ SPRINGG_GUARDED_BY(mutex_) = false;
  bool idle_ SPRINGG_GUARDED_BY(mutex_) = false;  // the thread sleeps until it is woken
  Clock::time_point unsynced_since_ SPRINGG_GUARDED_BY(mutex_);
  base::CondVar wake_;
};

}  // namespace springg::storage
