// SPDX-License-Identifier: MIT
// How a write becomes durable and visible: its record enters the log under write_mutex_, in the
// order of the writes; then its caller waits for the log with all others who do, and shows the
// view. Until then later writes work on it already.
#include <algorithm>
#include <utility>

#include "base/seeded_bug.h"
#include "engine/index_impl.h"

namespace springg::engine {

ViewQueue::Node IndexImpl::entry_of(std::shared_ptr<const View> view) {
  ViewQueue::Node node;
  node.push_back({0, std::move(view)});
  return node;
}

Result<IndexImpl::Receipt> IndexImpl::log(storage::WalType type, const storage::Payload& payload,
                                          Durability durability) {
  if (runtime_->log == nullptr) return Receipt{};
  const storage::WalRecord record{log_ref_.load(), type, payload};
  const bool frees_space = type == storage::WalType::kDelete;
  if (!frees_space) SPRINGG_RETURN_IF_ERROR(home_.check_reserve());
  Result<storage::Lsn> appended = runtime_->log->append(record);
  const bool full = appended.status().code() == ErrorCode::kResourceExhausted;
  if (full && frees_space && home_.use_reserve()) appended = runtime_->log->append(record);
  SPRINGG_ASSIGN_OR_RETURN(const storage::Lsn lsn, std::move(appended));
  if (durability == Durability::kDisk) durable_lsn_ = lsn;
  if (durability == Durability::kProcess) written_lsn_ = lsn;
  // Beside its own level those of the writes before it, whose views it holds.
  return Receipt{lsn, written_lsn_, durable_lsn_};
}

IndexImpl::Receipt IndexImpl::receipt_of_all(Durability durability) {
  if (runtime_->log == nullptr) return {};
  if (durability == Durability::kDisk) durable_lsn_ = runtime_->log->last_lsn();
  if (durability == Durability::kProcess) written_lsn_ = runtime_->log->last_lsn();
  return {std::max(written_lsn_, durable_lsn_), written_lsn_, durable_lsn_};
}

void IndexImpl::stage(ViewQueue::Node entry, storage::Lsn lsn) noexcept {
  // An active memtable whose rows are all deleted is not in the view: a new one takes its place.
  const Part* active = active_.get();
  const View& view = *entry.front().view;
  const bool there = std::any_of(view.parts.begin(), view.parts.end(),
                                 [&](const PartView& part) { return part.part.get() == active; });
  if (!there) active_ = nullptr;
  last_lsn_ = std::max(last_lsn_, lsn);
  entry.front().lsn = last_lsn_;
  views_.push(std::move(entry));
}

void IndexImpl::stage(std::shared_ptr<const View> view) { stage(entry_of(std::move(view)), 0); }

Status IndexImpl::acknowledge(const Receipt& receipt) {
  storage::WriteAheadLog* const log = runtime_->log.get();
  if (log == nullptr || receipt.lsn == 0) return {};
  if constexpr (base::kSeededBug == base::kBugShowBeforeLog) views_.show_through(receipt.lsn);
  if (receipt.durable != 0) {
    SPRINGG_RETURN_IF_ERROR(log->wait(receipt.durable, storage::WalProgress::kDurable));
  }
  if (receipt.written > receipt.durable) {
    SPRINGG_RETURN_IF_ERROR(log->wait(receipt.written, storage::WalProgress::kWritten));
  }
  views_.show_through(receipt.lsn);
  home_.log_grew();
  return {};
}

}  // namespace springg::engine
