// SPDX-License-Identifier: MIT
// Tells whether a disk may be what a power cut left, slowly and from the rules alone: it keeps its
// own notes of what was called, holds every version of every file whole, and shares no code with
// the file system that it judges.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "crash_disk.h"

namespace springg::io::test {

// Passes calls on to a FaultFileSystem and takes notes. One directory, "/".
class NotingFiles {
 public:
  enum class What {
    kCreate,
    kWrite,
    kSync,
    kSyncFailed,
    kLink,
    kRename,
    kRemove,
    kSyncDirectory,
    kNothing
  };
  struct Note {
    What what = What::kCreate;
    std::string name, to;
    std::size_t file = 0;
    std::size_t offset = 0;
    std::string text;
    LostPages lost = LostPages::kKept;
    std::size_t begun = 0;  // how many notes there were when the call began
  };

  void create(const std::string& name) {
    files_.push_back(require_value(disk.create("/" + name, 0)));
    sizes_.push_back(0);
    names_[name] = files_.size() - 1;
    note({What::kCreate, name, "", files_.size() - 1, 0, ""});
  }
  void append(std::size_t file, const std::string& text) {
    require_ok(files_[file]->append(bytes_of(text)));
    note({What::kWrite, "", "", file, sizes_[file], text});
    sizes_[file] += text.size();
  }
  void write_at(std::size_t file, std::size_t offset, const std::string& text) {
    require_ok(files_[file]->write_at(offset, bytes_of(text)));
    note({What::kWrite, "", "", file, offset, text});
  }
  // `during`: what is appended after the call has begun.
  void sync(std::size_t file, const std::string& during = "") {
    const std::size_t begun = notes_.size();
    append_during_sync(file, during);
    require_ok(files_[file]->sync());
    disk.set_hook({});
    note({What::kSync, "", "", file, 0, "", LostPages::kKept, begun});
  }
  void sync_fails(std::size_t file, LostPages lost, const std::string& during = "") {
    const std::size_t begun = notes_.size();
    append_during_sync(file, during);
    Fault fault;
    fault.calls = {Call::kSync};
    fault.lost = lost;
    disk.inject(fault);
    REQUIRE_FALSE(files_[file]->sync().ok());
    disk.clear_faults();
    disk.set_hook({});
    note({What::kSyncFailed, "", "", file, 0, "", lost, begun});
  }
  void link(const std::string& name, const std::string& to) {
    require_ok(disk.link("/" + name, "/" + to));
    names_[to] = names_.at(name);
    note({What::kLink, name, to, names_.at(name), 0, ""});
  }
  void rename(const std::string& name, const std::string& to) {
    require_ok(disk.rename("/" + name, "/" + to));
    const std::size_t file = names_.at(name);
    if (names_.contains(to) && names_.at(to) == file) {
      note({What::kNothing, name, to, 0, 0, ""});
      return;
    }
    names_.erase(name);
    names_[to] = file;
    note({What::kRename, name, to, file, 0, ""});
  }
  void remove(const std::string& name) {
    require_ok(disk.remove("/" + name));
    names_.erase(name);
    note({What::kRemove, name, "", 0, 0, ""});
  }
  void sync_directory() {
    require_ok(disk.sync_directory("/"));
    note({What::kSyncDirectory, "", "", 0, 0, ""});
  }

  std::size_t file_count() const { return files_.size(); }
  std::size_t size(std::size_t file) const { return sizes_[file]; }
  const std::map<std::string, std::size_t>& names() const { return names_; }
  const std::vector<Note>& notes() const { return notes_; }

  FaultFileSystem disk{{.record_history = true, .errors_stick = false}};

 private:
  void append_during_sync(std::size_t file, const std::string& text) {
    if (text.empty()) return;
    disk.set_hook([this, file, text](std::uint64_t, Call call, const std::string&) {
      if (call == Call::kSync) append(file, text);
    });
  }
  void note(Note note) {
    notes_.push_back(std::move(note));
    REQUIRE(disk.operations() == notes_.size());
  }

  std::vector<std::unique_ptr<WritableFile>> files_;
  std::vector<std::size_t> sizes_;
  std::map<std::string, std::size_t> names_;
  std::vector<Note> notes_;
};

// What may be on the disk of one file.
struct FileStates {
  std::set<std::size_t> sizes;
  // For each sector what it may hold (512 characters), and the bytes that may be anything.
  std::vector<std::set<std::string>> sectors;
  std::vector<std::vector<bool>> spoilt;

  bool allow(const std::string& text, bool garbage) const {
    if (!sizes.contains(text.size())) return false;
    for (std::size_t at = 0; at < text.size(); at += 512) {
      const std::string part = text.substr(at, 512);
      const auto fits = [&](const std::string& version) {
        for (std::size_t i = 0; i < part.size(); ++i) {
          if (part[i] != version[i] && !(garbage && spoilt[at / 512][i])) return false;
        }
        return true;
      };
      if (std::none_of(sectors[at / 512].begin(), sectors[at / 512].end(), fits)) return false;
    }
    return true;
  }
};

class CrashChecker {
 public:
  // After the first `count` notes.
  CrashChecker(const std::vector<NotingFiles::Note>& notes, std::size_t count)
      : notes_(notes.begin(), notes.begin() + static_cast<std::ptrdiff_t>(count)) {
    find_directories();
  }

  bool allows(const Contents& disk, bool garbage = false) {
    return std::any_of(directories_.begin(), directories_.end(), [&](const auto& directory) {
      if (directory.size() != disk.size()) return false;
      return std::all_of(directory.begin(), directory.end(), [&](const auto& entry) {
        const auto found = disk.find(entry.first);
        return found != disk.end() && file(entry.second).allow(found->second, garbage);
      });
    });
  }

  // Changes of names that are not durable: trying all their orders takes long.
  std::size_t pending_names() const { return pending_.size(); }

  // Every disk that there may be, without garbage.
  std::set<Contents> all() {
    std::set<Contents> disks;
    for (const Directory& directory : directories_) {
      std::set<Contents> some{{}};
      for (const auto& [name, number] : directory) {
        std::set<Contents> more;
        for (const std::string& text : texts(file(number))) {
          for (Contents contents : some) {
            contents[name] = text;
            more.insert(std::move(contents));
          }
        }
        some = std::move(more);
      }
      disks.merge(some);
    }
    return disks;
  }

 private:
  using Note = NotingFiles::Note;
  using What = NotingFiles::What;
  using Directory = std::map<std::string, std::size_t>;

  static void change(Directory& directory, const Note& note) {
    if (note.what == What::kRename || note.what == What::kRemove) directory.erase(note.name);
    if (note.what == What::kCreate) directory[note.name] = note.file;
    if (note.what == What::kRename || note.what == What::kLink) directory[note.to] = note.file;
  }

  // Any subset of the changes since the directory was synced, in any order.
  void find_directories() {
    Directory durable;
    for (const Note& note : notes_) {
      if (note.what == What::kSyncDirectory) {
        for (const Note* one : pending_) change(durable, *one);
        pending_.clear();
      } else if (note.what == What::kCreate || note.what == What::kLink ||
                 note.what == What::kRename || note.what == What::kRemove) {
        pending_.push_back(&note);
      }
    }
    std::vector<bool> used(pending_.size(), false);
    extend(durable, used);
  }

  void extend(const Directory& directory, std::vector<bool>& used) {
    directories_.insert(directory);
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (used[i]) continue;
      used[i] = true;
      Directory next = directory;
      change(next, *pending_[i]);
      extend(next, used);
      used[i] = false;
    }
  }

  const FileStates& file(std::size_t number) {
    const auto found = files_.find(number);
    if (found != files_.end()) return found->second;
    return files_[number] = find_states(number);
  }

  static std::string sector(const std::string& text, std::size_t number) {
    std::string part = number * 512 < text.size() ? text.substr(number * 512, 512) : "";
    part.resize(512, '\0');
    return part;
  }

  // `text`: what the process sees. Each write that is not durable is kept with what it left.
  struct Write {
    std::size_t offset, bytes;
    std::string after;
    bool doubtful;
    std::size_t index;  // of its note
  };

  FileStates find_states(std::size_t number) const {
    std::string text, durable;  // the certain content, sector by sector
    std::vector<Write> writes;
    std::size_t size = 0;                      // that is durable
    std::map<std::size_t, std::size_t> grown;  // sizes that it had since, and the note of each
    for (std::size_t i = 0; i < notes_.size(); ++i) {
      const Note& note = notes_[i];
      if (note.file != number) continue;
      if (note.what == What::kWrite && !note.text.empty()) {
        if (note.offset + note.text.size() > text.size()) {
          text.resize(note.offset + note.text.size(), '\0');
          grown[text.size()] = i;
        }
        text.replace(note.offset, note.text.size(), note.text);
        writes.push_back({note.offset, note.text.size(), text, false, i});
      } else if (note.what == What::kSync) {
        while (!grown.empty() && grown.begin()->second < note.begun) {
          size = grown.begin()->first;
          grown.erase(grown.begin());
        }
        settle(writes, durable, size, note.begun);
      } else if (note.what == What::kSyncFailed) {
        lose(writes, durable, text, note);
      }
    }
    FileStates states = states_of(writes, durable, size, text.size());
    for (const auto& [bytes, index] : grown) states.sizes.insert(bytes);
    return states;
  }

  static void lose(std::vector<Write>& writes, const std::string& durable, std::string& text,
                   const Note& note) {
    const auto is_lost = [&](const Write& write) { return write.index < note.begun; };
    if (note.lost == LostPages::kDroppedOnDisk) {
      for (Write& write : writes) write.doubtful = write.doubtful || is_lost(write);
    } else if (note.lost == LostPages::kDroppedInProcessToo) {
      std::erase_if(writes, is_lost);
      const std::size_t seen = text.size();
      text = durable;
      text.resize(seen, '\0');
      for (const Write& write : writes) {
        for (std::size_t s = write.offset / 512; s * 512 < write.offset + write.bytes; ++s) {
          const std::size_t count = std::min<std::size_t>(512, seen - s * 512);
          text.replace(s * 512, count, sector(write.after, s), 0, count);
        }
      }
    }
  }

  // A sync: for each sector the last write that touched it is certain, unless its sync failed
  // before. What came before it in that sector is over.
  static void settle(std::vector<Write>& writes, std::string& durable, std::size_t size,
                     std::size_t begun) {
    durable.resize(size, '\0');
    std::vector<Write> rest;
    for (const Write& write : writes) {
      if (write.doubtful || write.index >= begun) {
        rest.push_back(write);
        continue;
      }
      for (std::size_t s = write.offset / 512; s * 512 < write.offset + write.bytes; ++s) {
        const std::size_t count = std::min<std::size_t>(512, size - s * 512);
        durable.replace(s * 512, count, sector(write.after, s), 0, count);
        take_sector(rest, s);
      }
    }
    writes = std::move(rest);
  }

  // Writes lose this sector: they are split around it.
  static void take_sector(std::vector<Write>& writes, std::size_t s) {
    std::vector<Write> split;
    for (const Write& old : writes) {
      const std::size_t end = old.offset + old.bytes;
      if (end <= s * 512 || old.offset >= s * 512 + 512) {
        split.push_back(old);
        continue;
      }
      Write part = old;
      if (old.offset < s * 512) {
        part.bytes = s * 512 - old.offset;
        split.push_back(part);
      }
      if (end > s * 512 + 512) {
        part.offset = s * 512 + 512;
        part.bytes = end - part.offset;
        split.push_back(part);
      }
    }
    writes = std::move(split);
  }

  static FileStates states_of(const std::vector<Write>& writes, const std::string& durable,
                              std::size_t size, std::size_t seen) {
    FileStates states;
    states.sizes.insert(size);
    for (std::size_t edge = size / 512 * 512 + 512; edge < seen; edge += 512) {
      states.sizes.insert(edge);
    }
    states.sizes.insert(seen);
    for (std::size_t s = 0; s * 512 < seen; ++s) {
      states.sectors.push_back({sector(durable, s)});
      states.spoilt.emplace_back(512, false);
      for (const Write& write : writes) {
        const std::size_t end = write.offset + write.bytes;
        if (end <= s * 512 || write.offset >= s * 512 + 512) continue;
        states.sectors.back().insert(sector(write.after, s));
        for (std::size_t i = 0; i < 512; ++i) {
          const std::size_t at = s * 512 + i;
          if (at >= write.offset && at < end) states.spoilt.back()[i] = true;
        }
      }
    }
    return states;
  }

  static std::set<std::string> texts(const FileStates& states) {
    std::set<std::string> whole{""};
    for (const auto& sector : states.sectors) {
      std::set<std::string> longer;
      for (const std::string& begin : whole) {
        for (const std::string& part : sector) longer.insert(begin + part);
      }
      whole = std::move(longer);
    }
    std::set<std::string> cut;
    for (const std::string& text : whole) {
      for (const std::size_t size : states.sizes) cut.insert(text.substr(0, size));
    }
    return cut;
  }

  std::vector<Note> notes_;
  std::vector<const Note*> pending_;
  std::set<Directory> directories_;
  std::map<std::size_t, FileStates> files_;
};

}  // namespace springg::io::test
