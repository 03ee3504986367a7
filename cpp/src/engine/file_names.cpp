// SPDX-License-Identifier: MIT
#include "engine/file_names.h"

#include "base/uuid.h"
#include "storage/wal_format.h"

namespace springg::engine {

namespace {

bool take_suffix(std::string_view& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.remove_suffix(suffix.size());
  return true;
}

}  // namespace

NameKind kind_of_name(std::string_view name) {
  if (name == kLockName) return NameKind::kLock;
  if (name == kReserveName) return NameKind::kReserve;
  const bool temporary = take_suffix(name, ".tmp");
  NameKind kind = NameKind::kForeign;
  if (take_suffix(name, ".segment")) {
    if (base::Uuid::parse(name).has_value()) kind = NameKind::kSegment;
  } else if (take_suffix(name, ".delta")) {
    if (base::Uuid::parse(name).has_value()) kind = NameKind::kDelta;
  } else if (name.starts_with("manifest-") && name.size() == 25 &&
             name.substr(9).find_first_not_of("0123456789") == std::string_view::npos) {
    kind = NameKind::kManifest;
  } else if (storage::wal_file_sequence(name).has_value()) {
    kind = NameKind::kLog;
  }
  if (kind == NameKind::kForeign) return kind;
  return temporary ? NameKind::kTemporary : kind;
}

}  // namespace springg::engine
