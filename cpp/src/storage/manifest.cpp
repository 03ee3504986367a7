// SPDX-License-Identifier: MIT
#include "storage/manifest.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "storage/manifest_json.h"
#include "storage/section_file.h"
#include "storage/section_layout.h"

namespace springg::storage {

namespace {

// Written to disk: never change a number.
constexpr std::uint32_t kContent = 1;
constexpr KnownSection kKnown[] = {{kContent, 1, "content"}};

constexpr std::string_view kPrefix = "manifest-";
constexpr std::size_t kDigits = 16;
constexpr std::uint64_t kGenerationMax = 9'999'999'999'999'999;

// None when the name is another file's.
std::optional<std::uint64_t> generation_of(std::string_view name) {
  if (name.size() != kPrefix.size() + kDigits || !name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size());
  std::uint64_t generation = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), generation);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return generation;
}

}  // namespace

std::string manifest_file_name(std::uint64_t generation) {
  const std::string digits = std::to_string(generation);
  std::string name(kPrefix);
  if (digits.size() < kDigits) name.append(kDigits - digits.size(), '0');
  return name + digits;
}

Status publish_manifest(io::FileSystem& files, const std::string& directory,
                        const Manifest& manifest) {
  if (manifest.generation > kGenerationMax) {
    return resource_exhausted("generation of a manifest: expected at most " +
                              std::to_string(kGenerationMax) + ", got " +
                              std::to_string(manifest.generation));
  }
  const std::string name = manifest_file_name(manifest.generation);
  const std::string path = directory + "/" + name;
  SPRINGG_ASSIGN_OR_RETURN(const bool exists, files.exists(path));
  if (exists) return already_exists("cannot publish " + path + ": file exists");
  const std::string text = encode_manifest(manifest);
  // What cannot be read again must not take the place of what can.
  if (auto decoded = decode_manifest(text); !decoded.ok()) {
    if (decoded.status().code() == ErrorCode::kResourceExhausted) return decoded.take_status();
    return Status(ErrorCode::kInternal, "manifest to publish: " + decoded.status().message());
  }
  const SectionContent section{kContent, 1, kRequired, std::as_bytes(std::span(text))};
  SPRINGG_RETURN_IF_ERROR(
      write_section_file(files, directory, name, FileKind::kManifest, manifest.store, {&section, 1})
          .status());
  return files.sync_directory(directory);
}

namespace {

Result<std::optional<std::uint64_t>> newest_generation(io::FileSystem& files,
                                                       const std::string& directory) {
  SPRINGG_ASSIGN_OR_RETURN(const auto names, files.list(directory));
  std::optional<std::uint64_t> newest;
  for (const std::string& name : names) {
    if (const auto generation = generation_of(name)) newest = std::max(newest, generation);
  }
  return newest;
}

Result<Manifest> parse_manifest(const std::string& path, std::uint64_t generation,
                                std::span<const std::byte> bytes) {
  SPRINGG_ASSIGN_OR_RETURN(auto file, SectionFile::parse(path, bytes, FileKind::kManifest, kKnown));
  SPRINGG_ASSIGN_OR_RETURN(auto content, file.need(kContent, "content"));
  auto manifest = decode_manifest({reinterpret_cast<const char*>(content.data()), content.size()});
  if (manifest.status().code() == ErrorCode::kResourceExhausted) return manifest;
  if (!manifest.ok()) return file.defect(kContent, {0, manifest.status().message()});
  if (manifest->generation != generation) {
    return file.defect(kContent, {0, "generation: expected " + std::to_string(generation) +
                                         ", got " + std::to_string(manifest->generation)});
  }
  SPRINGG_RETURN_IF_ERROR(file.check_uuid(manifest->store));
  return manifest;
}

}  // namespace

Result<Manifest> read_manifest(io::FileSystem& files, const std::string& directory,
                               std::uint64_t generation) {
  const std::string path = directory + "/" + manifest_file_name(generation);
  SPRINGG_ASSIGN_OR_RETURN(auto mapped, files.map(path));
  return parse_manifest(path, generation, mapped->bytes());
}

Result<std::optional<Manifest>> read_newest_manifest(io::FileSystem& files,
                                                     const std::string& directory) {
  SPRINGG_ASSIGN_OR_RETURN(const auto newest, newest_generation(files, directory));
  if (!newest) return std::optional<Manifest>();
  const std::string path = directory + "/" + manifest_file_name(*newest);
  SPRINGG_ASSIGN_OR_RETURN(auto mapped, map_named_file(files, path));
  SPRINGG_ASSIGN_OR_RETURN(auto manifest, parse_manifest(path, *newest, mapped->bytes()));
  if (mapped->unreadable()) return unreadable_file(path);
  return std::optional<Manifest>(std::move(manifest));
}

Result<std::optional<ManifestStamp>> newest_manifest_stamp(io::FileSystem& files,
                                                           const std::string& directory) {
  // Each time that it is gone there must be a newer one, or it was taken back: not for long.
  constexpr int kTries = 100;
  Status gone;
  for (int i = 0; i < kTries; ++i) {
    SPRINGG_ASSIGN_OR_RETURN(const auto newest, newest_generation(files, directory));
    if (!newest) return std::optional<ManifestStamp>();
    auto mapped = files.map(directory + "/" + manifest_file_name(*newest));
    if (mapped.status().code() == ErrorCode::kNotFound) {
      gone = mapped.take_status();
      continue;
    }
    if (!mapped.ok()) return mapped.take_status();
    const auto bytes = (*mapped)->bytes();
    const std::size_t end = header::kHeaderChecksum + sizeof(std::uint64_t);
    const std::uint64_t checksum =
        bytes.size() < end ? 0 : load<std::uint64_t>(bytes, header::kHeaderChecksum);
    return std::optional<ManifestStamp>({*newest, checksum});
  }
  return gone;
}

}  // namespace springg::storage
