// SPDX-License-Identifier: MIT
// A database that was opened read-only: it shows what a replica of the directory has.
#include <algorithm>
#include <utility>

#include "engine/database_core.h"

namespace springg::engine {

Status DatabaseCore::check_writable() const {
  return options_.read_only ? read_only_error(path_) : Status();
}

Status DatabaseCore::open_read_only() {
  {
    base::MutexLock lock(refresh_mutex_);
    replica_ = std::make_unique<Replica>(*files_, path_, runtime_, *this);
    SPRINGG_RETURN_IF_ERROR(refresh_replica(true));
  }
  const std::chrono::milliseconds interval(runtime_->tuning.follow_interval_ms);
  if (interval.count() == 0) return {};
  return follower_.start(interval, [this] { follow(); });
}

Status DatabaseCore::refresh() {
  if (!options_.read_only || files_ == nullptr) return {};
  base::MutexLock lock(refresh_mutex_);
  return refresh_replica(true);
}

Status DatabaseCore::refresh_replica(bool patient) {
  const Result<bool> changed = replica_->refresh(patient);
  stale_.store(!changed.ok());
  replica_lsn_.store(replica_->lsn());
  SPRINGG_RETURN_IF_ERROR(changed.status());
  if (!*changed) return {};
  auto indexes = replica_->indexes();
  std::vector<std::shared_ptr<IndexImpl>> dropped;
  {
    base::MutexLock lock(catalog_mutex_);
    indexes_.swap(indexes);
    durable_ = replica_->manifest();
    for (const auto& [name, index] : indexes_) index->rename(name);
    for (const auto& [name, index] : indexes) {
      const bool there = std::any_of(indexes_.begin(), indexes_.end(),
                                     [&](const auto& entry) { return entry.second == index; });
      if (!there) dropped.push_back(index);
    }
  }
  for (const auto& index : dropped) index->drop();
  return {};
}

void DatabaseCore::follow() {
  // What fails is tried again the next time, and told to whoever calls refresh() or stats().
  static_cast<void>(guarded([&]() -> Status {
    base::MutexLock lock(refresh_mutex_);
    return refresh_replica(false);
  }));
}

}  // namespace springg::engine
