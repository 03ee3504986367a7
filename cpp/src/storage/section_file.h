// SPDX-License-Identifier: MIT
// The container of every file that springg writes: one header page with a table of sections, the
// sections, and checksums that cover every byte (docs/format.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "io/file_system.h"
#include "springg/status.h"
#include "storage/block_checks.h"
#include "storage/bytes.h"

namespace springg::storage {

inline constexpr std::size_t kPageBytes = 4'096;    // sections start and end on pages
inline constexpr std::size_t kBlockBytes = 65'536;  // of one checksum
inline constexpr std::uint32_t kFormatVersion = 1;  // readers below a file's min_reader refuse it
inline constexpr std::size_t kSectionsMax = 124;    // what the header page has room for

// Written to disk: never change a number.
enum class FileKind : std::uint32_t { kSegment = 1, kDelta = 2, kManifest = 3 };

enum SectionFlags : std::uint32_t {
  kOptional = 0,   // a reader that does not know it skips it
  kRequired = 1U,  // a reader that does not know it refuses the file
  kDerived = 2U,   // can be made again from the others: damage is not fatal
};

// A section to write. A kind occurs at most once in a file.
struct SectionContent {
  std::uint32_t kind = 0;
  std::uint32_t version = 1;
  std::uint32_t flags = kOptional;
  std::span<const std::byte> bytes;
};

// Writes `name` into the directory: temporary file, sync, rename; the caller syncs the directory.
// Returns the file's size.
Result<std::uint64_t> write_section_file(io::FileSystem& files, const std::string& directory,
                                         const std::string& name, FileKind kind,
                                         const base::Uuid& uuid,
                                         std::span<const SectionContent> sections);

// Maps a file that another one names: that it is not there is damage (kCorruption), too.
Result<std::shared_ptr<const io::MappedFile>> map_named_file(io::FileSystem& files,
                                                             const std::string& path);

Result<io::FileToRead> map_named_file_with_reader(io::FileSystem& files, const std::string& path);

struct Section {
  std::uint32_t kind = 0;
  std::uint32_t version = 0;
  std::uint32_t flags = 0;
  bool damaged = false;      // only of a derived section: `bytes` are not to be used
  std::uint64_t offset = 0;  // in the file
  std::span<const std::byte> bytes;
  // Of its blocks, when they were not compared yet; else empty.
  std::span<const std::byte> checksums;
};

// What a reader understands.
struct KnownSection {
  std::uint32_t kind = 0;
  std::uint32_t version = 0;  // the newest
  const char* name = "";      // in messages
};

// A section whose blocks are left to be compared later when it is large: block_checks() does it.
struct ComparedLater {
  std::uint32_t kind = 0;
  std::uint64_t bytes_min = std::numeric_limits<std::uint64_t>::max();
};

// A file whose every byte was verified, apart from damaged derived sections and the one to be
// compared later. Refers to the bytes that it was made of.
class SectionFile {
 public:
  // `path` is for messages. kCorruption with file and offset; kUnsupported for a newer min_reader
  // or a required section that is not known.
  static Result<SectionFile> parse(const std::string& path, std::span<const std::byte> file,
                                   FileKind kind, std::span<const KnownSection> known,
                                   const ComparedLater& later = {});

  const base::Uuid& uuid() const noexcept { return uuid_; }
  // kCorruption when the file is another one than its name says.
  Status check_uuid(const base::Uuid& expected) const;
  // Null when there is none that is known.
  const Section* find(std::uint32_t kind) const noexcept;
  // The bytes of a section that must be there, `length` long when that is given.
  Result<std::span<const std::byte>> need(std::uint32_t kind, const char* name) const;
  Result<std::span<const std::byte>> need(std::uint32_t kind, const char* name,
                                          std::uint64_t length) const;
  // Null when the section was compared, or is not there. kResourceExhausted.
  Result<std::unique_ptr<BlockChecks>> block_checks(std::uint32_t kind) const;
  // kCorruption at an offset in a section that is there.
  Status defect(std::uint32_t kind, const Defect& found) const;

 private:
  std::string path_;
  base::Uuid uuid_;
  std::span<const std::byte> file_;
  std::vector<Section> sections_;
};

}  // namespace springg::storage
