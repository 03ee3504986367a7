// SPDX-License-Identifier: MIT
#include "io/disk_model.h"

#include <algorithm>
#include <utility>

#include "io/memory_path.h"

namespace springg::io {

std::vector<NameChange> name_changes(const Operation& operation) {
  switch (operation.call) {
    case Call::kCreate: return {{operation.path, operation.inode}};
    case Call::kLink: return {{operation.to, operation.inode}};
    case Call::kRemove: return {{operation.path, std::nullopt}};
    case Call::kRename:
      // Two names of one file: nothing happens.
      if (operation.inode == 0) return {};
      return {{operation.path, std::nullopt}, {operation.to, operation.inode}};
    case Call::kLockDirectory:
      if (operation.made.empty()) return {};
      return {{operation.made.front(), operation.inode}};
    default: return {};
  }
}

void DiskModel::apply(const Operation& operation, std::uint64_t number) {
  const bool ok = operation.outcome == ErrorCode::kOk;
  switch (operation.call) {
    case Call::kCreateDirectories:
      for (const std::string& directory : operation.made) {
        seen_.directories.insert(directory);
        durable_.directories.insert(directory);
      }
      return;
    case Call::kAppend:
    case Call::kWriteAt: return apply_write(operation, number);
    case Call::kSync:
      return ok ? sync_file(operation.inode, operation.covers) : sync_failed(operation);
    case Call::kSyncDirectory:
      return ok ? sync_directory(operation.path, operation.covers) : sync_failed(operation);
    default:
      if (ok) apply_names(operation, number);
  }
}

void DiskModel::apply_names(const Operation& operation, std::uint64_t number) {
  std::vector<NameChange> changes = name_changes(operation);
  if (changes.empty()) return;
  if (operation.after != nullptr) {  // a new file
    seen_.files[operation.inode] = operation.after;
    durable_.files[operation.inode] = operation.after;
  }
  for (const NameChange& change : changes) {
    if (change.inode.has_value()) {
      seen_.names[change.path] = *change.inode;
    } else {
      seen_.names.erase(change.path);
    }
  }
  Unsynced part;
  part.part = Unsynced::Part::kNames;
  part.call = operation.call;
  part.operation = number;
  part.names = std::move(changes);
  unsynced_.push_back(std::move(part));
}

void DiskModel::apply_write(const Operation& operation, std::uint64_t number) {
  if (operation.bytes == 0) return;
  seen_.files[operation.inode] = operation.after;
  // A file that can have no name on the disk any more.
  if (!durable_.files.contains(operation.inode)) return;
  Unsynced part;
  part.call = operation.call;
  part.operation = number;
  part.inode = operation.inode;
  if (operation.call == Call::kAppend) {
    part.part = Unsynced::Part::kSize;
    part.size_before = operation.offset;
    part.size = operation.offset + operation.bytes;
    unsynced_.push_back(part);
    part.size_before = part.size = 0;
  }
  part.part = Unsynced::Part::kData;
  part.offset = operation.offset;
  part.bytes = operation.bytes;
  part.after = operation.after;
  unsynced_.push_back(std::move(part));
}

// Writes become part of the durable content in their order. The first that is doubtful stops that:
// those behind it stay in the list, or it could not be told what they wrote over.
void DiskModel::sync_file(Inode inode, std::uint64_t covers) {
  const auto found = durable_.files.find(inode);
  if (found == durable_.files.end()) return;
  FileRef& file = found->second;
  std::uint64_t size = file->bytes().size();
  bool behind_doubt = false;
  std::vector<Unsynced> rest;
  for (Unsynced& part : unsynced_) {
    const bool about_it = part.part != Unsynced::Part::kNames && part.inode == inode;
    if (about_it && part.operation < covers) {
      if (part.part == Unsynced::Part::kSize) {
        size = std::max(size, part.size);
        continue;
      }
      behind_doubt = behind_doubt || part.doubtful;
      if (!behind_doubt) {
        file = part.after;
        continue;
      }
      part.certain = !part.doubtful;
    }
    rest.push_back(std::move(part));
  }
  unsynced_ = std::move(rest);
  if (file->bytes().size() < size) {
    SparseBytesEditor editor(file->bytes());
    editor.resize(size);
    file = std::make_shared<const FileVersion>(std::move(editor).finish());
  }
}

void DiskModel::sync_failed(const Operation& operation) {
  if (operation.lost == LostPages::kKept) return;
  const bool of_directory = operation.call == Call::kSyncDirectory;
  const auto is_lost = [&](const Unsynced& part) {
    if (part.operation >= operation.covers || part.certain) return false;
    if (!of_directory) {
      return part.part == Unsynced::Part::kData && part.inode == operation.inode;
    }
    return std::any_of(part.names.begin(), part.names.end(), [&](const NameChange& change) {
      return parent_path(change.path) == operation.path;
    });
  };
  if (!of_directory && operation.lost == LostPages::kDroppedInProcessToo) {
    std::erase_if(unsynced_, is_lost);
    rewrite_versions(operation.inode);
    seen_.files[operation.inode] = operation.after;
    return;
  }
  for (Unsynced& part : unsynced_) part.doubtful = part.doubtful || is_lost(part);
}

// Writes that are left, made while the sync failed or durable before it, were recorded with what is
// lost now around them.
void DiskModel::rewrite_versions(Inode inode) {
  const auto durable = durable_.files.find(inode);
  if (durable == durable_.files.end()) return;
  SparseBytes content = durable->second->bytes();
  for (Unsynced& part : unsynced_) {
    if (part.part != Unsynced::Part::kData || part.inode != inode) continue;
    SparseBytesEditor editor(content);
    editor.resize(std::max(content.size(), part.after->bytes().size()));
    editor.copy(part.after->bytes(), part.first_sector() * kSectorBytes,
                part.end_sector() * kSectorBytes);
    content = std::move(editor).finish();
    part.after = std::make_shared<const FileVersion>(content);
  }
}

void DiskModel::sync_directory(const std::string& directory, std::uint64_t covers) {
  for (Unsynced& part : unsynced_) {
    if (part.operation >= covers || part.doubtful) continue;
    std::erase_if(part.names, [&](const NameChange& change) {
      if (parent_path(change.path) != directory) return false;
      make_name_durable(change, part.operation);
      return true;
    });
  }
  std::erase_if(unsynced_, [](const Unsynced& part) {
    return part.part == Unsynced::Part::kNames && part.names.empty();
  });
  forget_lost_files();
}

void DiskModel::make_name_durable(const NameChange& change, std::uint64_t number) {
  if (change.inode.has_value()) {
    durable_.names[change.path] = *change.inode;
  } else {
    durable_.names.erase(change.path);
  }
  // Doubtful changes of that name from before are over.
  for (Unsynced& part : unsynced_) {
    if (part.operation >= number) return;
    std::erase_if(part.names, [&](const NameChange& old) { return old.path == change.path; });
  }
}

// Files that have no name on the disk and can get none.
void DiskModel::forget_lost_files() {
  std::set<Inode> named;
  for (const auto& [path, inode] : seen_.names) named.insert(inode);
  for (const auto& [path, inode] : durable_.names) named.insert(inode);
  for (const Unsynced& part : unsynced_) {
    for (const NameChange& change : part.names) {
      if (change.inode.has_value()) named.insert(*change.inode);
    }
  }
  std::erase_if(durable_.files, [&](const auto& file) { return !named.contains(file.first); });
  std::erase_if(unsynced_, [&](const Unsynced& part) {
    return part.part != Unsynced::Part::kNames && !named.contains(part.inode);
  });
}

void DiskModel::make_durable() {
  unsynced_.clear();
  durable_ = seen_;
  forget_lost_files();
}

void DiskModel::forget_unreachable(const std::map<Inode, std::uint64_t>& open) {
  std::set<Inode> named;
  for (const auto& [path, inode] : seen_.names) named.insert(inode);
  std::erase_if(seen_.files, [&](const auto& file) {
    return !named.contains(file.first) && !open.contains(file.first);
  });
}

SparseBytes DiskModel::without_lost(Inode inode, std::uint64_t covers) const {
  const FileRef& seen = seen_.files.at(inode);
  const auto durable = durable_.files.find(inode);
  // Nothing of a file without a name is ever on the disk.
  SparseBytesEditor editor(durable == durable_.files.end() ? SparseBytes()
                                                           : durable->second->bytes());
  editor.resize(seen->bytes().size());
  for (const Unsynced& part : unsynced_) {
    if (part.part != Unsynced::Part::kData || part.inode != inode) continue;
    if (!part.certain && part.operation < covers) continue;
    editor.copy(part.after->bytes(), part.first_sector() * kSectorBytes,
                part.end_sector() * kSectorBytes);
  }
  return std::move(editor).finish();
}

}  // namespace springg::io
