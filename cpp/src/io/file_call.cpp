// SPDX-License-Identifier: MIT
#include "io/file_call.h"

namespace springg::io {

std::string_view to_string(Call call) noexcept {
  switch (call) {
    case Call::kCreateDirectories: return "create_directories";
    case Call::kCreate: return "create";
    case Call::kAppend: return "append";
    case Call::kWriteAt: return "write_at";
    case Call::kSync: return "sync";
    case Call::kClose: return "close";
    case Call::kRename: return "rename";
    case Call::kLink: return "link";
    case Call::kRemove: return "remove";
    case Call::kSyncDirectory: return "sync_directory";
    case Call::kLockDirectory: return "lock_directory";
    case Call::kMap: return "map";
    case Call::kExists: return "exists";
    case Call::kList: return "list";
    case Call::kFileBytes: return "file_bytes";
  }
  return "unknown";
}

std::optional<Fault> FaultPlan::meet(Call call, std::string_view path, std::string_view to) {
  std::optional<Fault> met;
  for (Armed& armed : armed_) {
    const Fault& fault = armed.fault;
    if (!fault.calls.contains(call)) continue;
    if (!path.ends_with(fault.path_suffix) && !to.ends_with(fault.path_suffix)) continue;
    const std::uint64_t before = armed.seen++;
    if (before < fault.skip || before - fault.skip >= fault.times || met.has_value()) continue;
    met = fault;
  }
  return met;
}

}  // namespace springg::io
