// SPDX-License-Identifier: MIT
#include "io/crash_point.h"

#include <algorithm>
#include <utility>

#include "io/fault_state.h"
#include "io/recorded_run.h"
#include "io/split_mix.h"

namespace springg::io {

namespace {

constexpr std::size_t kCheckpointsMax = 256;
constexpr std::size_t kSpacingMin = 8;

bool is_whole(const Unsynced& part, const Kept& kept) {
  if (part.part == Unsynced::Part::kSize) return kept.size >= part.size;
  return kept.sectors.size() == 1 && kept.sectors[0].begin <= part.first_sector() &&
         kept.sectors[0].end >= part.end_sector();
}

Kept whole(std::size_t place, const Unsynced& part) {
  Kept kept{place, part.size, {}};
  if (part.part == Unsynced::Part::kData) {
    kept.sectors.push_back({part.first_sector(), part.end_sector()});
  }
  return kept;
}

void copy_sectors(const Unsynced& part, SectorRange range, SparseBytesEditor& editor) {
  const std::uint64_t begin = std::max(range.begin, part.first_sector());
  const std::uint64_t end = std::min(range.end, part.end_sector());
  editor.copy(part.after->bytes(), begin * kSectorBytes, end * kSectorBytes);
}

}  // namespace

void RecordedRun::make_checkpoints() {
  spacing = std::max(kSpacingMin, operations.size() / kCheckpointsMax + 1);
  checkpoints.reserve(operations.size() / spacing);
  DiskModel model = start;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    model.apply(*operations[i], first + i);
    if ((i + 1) % spacing == 0) checkpoints.push_back(model);
  }
}

DiskModel RecordedRun::model_at(std::uint64_t number) const {
  const std::uint64_t done = std::clamp(number, first, end()) - first;
  const std::size_t checkpoint =
      spacing == 0 ? 0 : std::min<std::size_t>(done / spacing, checkpoints.size());
  DiskModel model = checkpoint == 0 ? start : checkpoints[checkpoint - 1];
  for (std::uint64_t i = checkpoint * spacing; i < done; ++i) {
    model.apply(*operations[i], first + i);
  }
  return model;
}

std::uint64_t History::first() const noexcept { return run_->first; }

std::uint64_t History::end() const noexcept { return run_->end(); }

const Operation& History::operation(std::uint64_t number) const {
  return *run_->operations[number - run_->first];
}

CrashPoint History::at(std::uint64_t number) const {
  return {run_, run_->model_at(number), std::clamp(number, run_->first, run_->end())};
}

CrashPoint::CrashPoint(std::shared_ptr<const RecordedRun> run, DiskModel model,
                       std::uint64_t operation)
    : run_(std::move(run)), model_(std::move(model)), operation_(operation) {
  for (const Unsynced& part : model_.unsynced()) {
    if (!part.certain) open_.push_back(part);
  }
}

CrashChoice CrashPoint::prefix(std::size_t parts) const {
  CrashChoice choice;
  for (std::size_t i = 0; i < std::min(parts, open_.size()); ++i) {
    choice.kept.push_back(whole(i, open_[i]));
  }
  return choice;
}

CrashChoice CrashPoint::subset(std::uint64_t mask) const {
  CrashChoice choice;
  for (std::size_t i = 0; i < std::min<std::size_t>(open_.size(), 64); ++i) {
    if ((mask >> i & 1U) != 0) choice.kept.push_back(whole(i, open_[i]));
  }
  return choice;
}

std::unique_ptr<FaultFileSystem> CrashPoint::power_cut(const CrashChoice& choice) const {
  DiskImage disk;
  disk.directories = model_.durable().directories;
  disk.names = model_.durable().names;
  std::vector<const Kept*> kept(open_.size(), nullptr);
  for (const Kept& part : choice.kept) {
    if (part.part >= open_.size()) continue;
    kept[part.part] = &part;
    for (const NameChange& change : open_[part.part].names) {
      if (change.inode.has_value()) {
        disk.names[change.path] = *change.inode;
      } else {
        disk.names.erase(change.path);
      }
    }
  }
  for (const auto& [path, inode] : disk.names) {
    FileRef& file = disk.files[inode];
    if (file == nullptr) file = file_after(inode, kept, choice.garbage);
  }
  auto state = std::make_shared<FaultFileSystem::State>(FaultSettings{});
  {
    const base::MutexLock lock(state->mutex);
    state->memory = run_->memory;
    state->model = DiskModel(disk);
    state->start = state->model;
    state->next_inode = run_->next_inode;
  }
  return std::unique_ptr<FaultFileSystem>(new FaultFileSystem(std::move(state)));
}

FileRef CrashPoint::file_after(Inode inode, const std::vector<const Kept*>& kept,
                               std::span<const GarbageSector> garbage) const {
  const FileRef& durable = model_.durable().files.at(inode);
  std::uint64_t size = durable->bytes().size();
  // While no part has been left out before one that was kept, the process has seen this file: the
  // version that it saw is shared.
  const Unsynced* last = nullptr;
  bool left_out = false, seen_whole = true, changed = false;
  for (std::size_t i = 0, next = 0; i < model_.unsynced().size(); ++i) {
    const Unsynced& part = model_.unsynced()[i];
    const Kept* choice = part.certain ? nullptr : kept[next++];
    if (part.part == Unsynced::Part::kNames || part.inode != inode) continue;
    if (!part.certain && choice == nullptr) {
      left_out = true;
      continue;
    }
    changed = true;
    seen_whole = seen_whole && !left_out && (part.certain || is_whole(part, *choice));
    if (part.part == Unsynced::Part::kData) last = &part;
    if (part.part == Unsynced::Part::kSize) {
      size = std::max(size, std::clamp(choice->size, part.size_before, part.size));
    }
  }
  const bool spoiled = std::any_of(garbage.begin(), garbage.end(),
                                   [&](const GarbageSector& one) { return one.inode == inode; });
  if (!spoiled && !changed) return durable;
  if (!spoiled && seen_whole && last != nullptr && last->after->bytes().size() == size) {
    return last->after;
  }
  SparseBytesEditor editor(durable->bytes());
  editor.resize(size);
  for (std::size_t i = 0, next = 0; i < model_.unsynced().size(); ++i) {
    const Unsynced& part = model_.unsynced()[i];
    const Kept* choice = part.certain ? nullptr : kept[next++];
    if (part.part != Unsynced::Part::kData || part.inode != inode) continue;
    if (part.certain) {
      copy_sectors(part, {part.first_sector(), part.end_sector()}, editor);
    } else if (choice != nullptr) {
      for (const SectorRange range : choice->sectors) copy_sectors(part, range, editor);
    }
  }
  for (const GarbageSector& one : garbage) {
    if (one.inode == inode) fill_garbage(one, editor);
  }
  return std::make_shared<const FileVersion>(std::move(editor).finish());
}

// Only over what writes that are not durable would have put there.
void CrashPoint::fill_garbage(const GarbageSector& garbage, SparseBytesEditor& editor) const {
  const std::uint64_t begin = garbage.sector * kSectorBytes;
  const std::uint64_t end = std::min(begin + kSectorBytes, editor.size());
  std::vector<bool> written(kSectorBytes, false);
  for (const Unsynced& part : model_.unsynced()) {
    if (part.part != Unsynced::Part::kData || part.inode != garbage.inode) continue;
    if (garbage.sector < part.first_sector() || garbage.sector >= part.end_sector()) continue;
    // It wrote the whole sector, and that is durable.
    if (part.certain) {
      written.assign(kSectorBytes, false);
      continue;
    }
    const std::uint64_t from = std::max(begin, part.offset);
    const std::uint64_t to = std::min(begin + kSectorBytes, part.offset + part.bytes);
    for (std::uint64_t i = from; i < to; ++i) written[i - begin] = true;
  }
  SplitMix random(garbage.seed);
  for (std::uint64_t i = begin; i < end; ++i) {
    const auto byte = static_cast<std::byte>(random.next() & 0xFF);
    if (written[i - begin]) editor.write(i, {&byte, 1});
  }
}

std::unique_ptr<FaultFileSystem> CrashPoint::process_crash() const {
  auto state = std::make_shared<FaultFileSystem::State>(FaultSettings{});
  {
    const base::MutexLock lock(state->mutex);
    state->memory = run_->memory;
    state->model = model_;
    state->model.forget_unreachable({});
    state->start = run_->start;
    state->operations.assign(
        run_->operations.begin(),
        run_->operations.begin() + static_cast<std::ptrdiff_t>(operation_ - run_->first));
    state->next_operation = operation_;
    state->next_inode = run_->next_inode;
  }
  return std::unique_ptr<FaultFileSystem>(new FaultFileSystem(std::move(state)));
}

std::string CrashPoint::describe(const CrashChoice& choice) const {
  std::vector<const Kept*> kept(open_.size(), nullptr);
  std::string text = "crash before operation " + std::to_string(operation_) + "; unsynced:\n";
  for (const Kept& part : choice.kept) kept[part.part] = &part;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const Unsynced& part = open_[i];
    text += std::to_string(part.operation) + " " + std::string(to_string(part.call));
    for (const NameChange& change : part.names) {
      text += " " + change.path;
      text += change.inode.has_value() ? "=file " + std::to_string(*change.inode) : "=gone";
    }
    if (part.part != Unsynced::Part::kNames) text += " file " + std::to_string(part.inode);
    if (part.part == Unsynced::Part::kData) {
      text += " bytes " + std::to_string(part.offset) + "+" + std::to_string(part.bytes);
    }
    if (part.part == Unsynced::Part::kSize) text += " size " + std::to_string(part.size);
    if (part.doubtful) text += " (its sync failed)";
    text += kept[i] == nullptr ? ": lost" : ": kept";
    if (kept[i] != nullptr && part.part == Unsynced::Part::kSize) {
      text += " as " + std::to_string(kept[i]->size);
    }
    if (kept[i] != nullptr && part.part == Unsynced::Part::kData && !is_whole(part, *kept[i])) {
      text += " in sectors";
      for (const SectorRange range : kept[i]->sectors) {
        text += " [" + std::to_string(range.begin) + ", " + std::to_string(range.end) + ")";
      }
    }
    text += "\n";
  }
  for (const GarbageSector& one : choice.garbage) {
    text += "garbage in sector " + std::to_string(one.sector) + " of file " +
            std::to_string(one.inode) + "\n";
  }
  return text;
}

}  // namespace springg::io
