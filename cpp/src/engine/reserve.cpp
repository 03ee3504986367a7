// SPDX-License-Identifier: MIT
// Space for a full disk: an open file without content for which the file system keeps some.
#include <utility>

#include "engine/database_core.h"
#include "engine/file_names.h"

namespace springg::engine {

namespace {

constexpr std::uint64_t kReserveBytes = std::uint64_t{4} << 20;

}  // namespace

void DatabaseCore::remove_reserve() noexcept {
  base::MutexLock lock(reserve_mutex_);
  if (reserve_ == nullptr) return;
  reserve_.reset();
  if_memory_allows([&] { static_cast<void>(files_->remove(file_path(kReserveName))); });
}

bool DatabaseCore::use_reserve() noexcept {
  {
    base::MutexLock lock(reserve_mutex_);
    if (reserve_ == nullptr) return false;
  }
  remove_reserve();
  return true;
}

Status DatabaseCore::check_reserve() {
  if (files_ == nullptr) return {};
  base::MutexLock lock(reserve_mutex_);
  if (reserve_ != nullptr) return {};
  static_cast<void>(files_->remove(file_path(kReserveName)));
  auto made = files_->create(file_path(kReserveName), kReserveBytes);
  if (!made.ok()) {
    static_cast<void>(files_->remove(file_path(kReserveName)));
    return made.take_status();
  }
  reserve_ = std::move(made).value();
  return {};
}

}  // namespace springg::engine
