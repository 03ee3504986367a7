// SPDX-License-Identifier: MIT
// What a directory has of an index, mapped and verified: for recovery, for readers of a directory
// that another process writes, and for checks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "engine/index_impl.h"
#include "engine/runtime.h"
#include "engine/segment_part.h"
#include "engine/view.h"
#include "io/file_system.h"
#include "storage/delta.h"
#include "storage/log_records.h"
#include "storage/manifest.h"

namespace springg::engine {

// Where to read from, and whose threads and memory to use. Refers to what it is made of.
struct StoredFiles {
  io::FileSystem& files;
  const std::string& directory;
  Runtime& runtime;
};

struct StoredPart {
  PartView part;
  bool as_stored = true;  // false: its graph was damaged, and was made anew in memory
};

// kCorruption with file and offset. A damaged graph is built anew, which takes as long as that
// does.
Result<StoredPart> open_stored_part(const StoredFiles& from, const storage::SegmentEntry& entry,
                                    const IndexOptions& options);
// The same for a segment that only the log names.
Result<std::shared_ptr<SegmentPart>> open_logged_part(const StoredFiles& from,
                                                      const storage::LoggedSegment& logged,
                                                      const IndexOptions& options);

// None: the index goes without it.
using StoredPartOpener =
    base::FunctionRef<Result<std::optional<PartView>>(const storage::SegmentEntry&)>;
// kCorruption when what `open` gave does not make an index.
Result<IndexState> open_stored_index(const storage::IndexEntry& entry, StoredPartOpener open);

// A delta as a set of changes on top of a segment's own rows.
std::shared_ptr<const Overlay> make_overlay(const storage::Delta& delta);

// kCorruption when these files of a directory without a manifest cannot be without one: the first
// manifest is written before any segment or log, so it was lost.
Status refuse_lost_manifest(const std::string& directory, const std::vector<std::string>& names);

Status wrong_segment(const storage::SegmentEntry& entry, const std::string& what);

}  // namespace springg::engine
