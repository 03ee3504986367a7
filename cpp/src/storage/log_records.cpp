// SPDX-License-Identifier: MIT
#include "storage/log_records.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "springg/options.h"
#include "storage/bytes.h"

namespace springg::storage {

namespace {

constexpr std::size_t kAlignment = 8;

// Written to disk: never change a number.
// Flags of a record of rows.
constexpr std::uint32_t kHasNorms = 1;
constexpr std::uint32_t kHasMetadata = 2;
constexpr std::uint32_t kIntegerIds = 4;
// Flags of a record that names a segment.
constexpr std::uint32_t kIntoMemtable = 1;

constexpr std::uint32_t flag_if(bool set, std::uint32_t flag) { return set ? flag : 0; }

class Writer {
 public:
  template <class T>
  void number(const T& value) {
    bytes(&value, sizeof value);
  }
  void bytes(const void* data, std::size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    out_.insert(out_.end(), begin, begin + size);
  }
  void pad() { out_.resize((out_.size() + kAlignment - 1) / kAlignment * kAlignment); }
  void reserve(std::size_t bytes) { out_.reserve(bytes); }
  Payload take() { return std::move(out_); }

 private:
  Payload out_;
};

// Takes fields off the front. The first thing that is wrong sticks, and all after it are empty.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> payload) : payload_(payload) {}

  template <class T>
  T number() {
    const auto bytes = take(sizeof(T));
    return bytes.size() == sizeof(T) ? load<T>(bytes, 0) : T{};
  }
  // `count` times `size` bytes, or none when there are not as many.
  std::span<const std::byte> take(std::uint64_t count, std::uint64_t size = 1) {
    const std::uint64_t left = payload_.size() - at_;
    if (!status_.ok()) return {};
    if (size != 0 && count > left / size) {
      fail("expected " + std::to_string(count) + " times " + std::to_string(size) +
           " more bytes, got " + std::to_string(left));
      return {};
    }
    const auto bytes = payload_.subspan(at_, static_cast<std::size_t>(count * size));
    at_ += bytes.size();
    return bytes;
  }
  void skip_padding() {
    take(std::min((kAlignment - at_ % kAlignment) % kAlignment, payload_.size() - at_));
  }
  void fail(const std::string& what) {
    if (status_.ok())
      status_ = corruption("log record at byte " + std::to_string(at_) + ": " + what);
  }
  bool ok() const noexcept { return status_.ok(); }
  // After all fields: nothing may be left.
  Status finish() {
    if (status_.ok() && at_ != payload_.size()) {
      fail("expected its end, got " + std::to_string(payload_.size() - at_) + " more bytes");
    }
    return status_;
  }

 private:
  std::span<const std::byte> payload_;
  std::size_t at_ = 0;
  Status status_;
};

void write_ids(Writer& out, std::size_t count, base::FunctionRef<IdView(std::uint32_t)> id,
               bool integers) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const IdView one = id(i);
    if (!integers) {
      out.number(one.kind);
      out.number(static_cast<std::uint16_t>(one.bytes.size()));
    }
    out.bytes(one.bytes.data(), one.bytes.size());
  }
  out.pad();
}

bool id_fits(IdKind kind, std::size_t bytes) {
  switch (kind) {
    case IdKind::kInteger: return bytes == sizeof(std::uint64_t);
    case IdKind::kString: return bytes >= 1 && bytes <= limits::kIdBytesMax;
    case IdKind::kUuid: return bytes == sizeof(base::Uuid);
  }
  return false;
}

IdColumn read_ids(Reader& in, std::uint32_t count, bool integers) {
  IdColumn ids;
  if (integers) {
    const auto bytes = in.take(count, sizeof(std::uint64_t));
    if (in.ok()) ids.reserve(count);
    for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::uint64_t)) {
      ids.append_integer(load<std::uint64_t>(bytes, i));
    }
  } else {
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
      const auto kind = in.number<IdKind>();
      const auto bytes = in.take(in.number<std::uint16_t>());
      if (!in.ok()) break;
      if (!id_fits(kind, bytes.size())) {
        in.fail("id of kind " + std::to_string(static_cast<unsigned>(kind)) + " and " +
                std::to_string(bytes.size()) + " bytes");
        break;
      }
      ids.append({kind, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
    }
  }
  in.skip_padding();
  return ids;
}

using MetadataAt = base::FunctionRef<std::optional<std::string_view>(std::uint32_t)>;

void write_metadata(Writer& out, std::uint32_t count, MetadataAt metadata) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto text = metadata(i);
    out.number(static_cast<std::uint32_t>(text.has_value() ? text->size() : 0));
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    if (const auto text = metadata(i)) out.bytes(text->data(), text->size());
  }
  out.pad();
}

MetadataColumn read_metadata(Reader& in, std::uint32_t count) {
  MetadataColumn column;
  const auto lengths = in.take(count, sizeof(std::uint32_t));
  for (std::size_t i = 0; i < lengths.size() && in.ok(); i += sizeof(std::uint32_t)) {
    const auto length = load<std::uint32_t>(lengths, i);
    if (length > limits::kMetadataBytesMax) {
      in.fail("metadata: expected at most " + std::to_string(limits::kMetadataBytesMax) +
              " bytes, got " + std::to_string(length));
      break;
    }
    const auto text = in.take(length);
    if (!in.ok()) break;
    length == 0 ? column.append_none()
                : column.append({reinterpret_cast<const char*>(text.data()), text.size()});
  }
  in.skip_padding();
  return column;
}

}  // namespace

Payload encode_rows(const RowsToLog& rows) {
  bool integers = true;
  bool metadata = false;
  std::size_t bytes = 64 + rows.rows * (rows.vector_bytes + 2 * sizeof(float) + 16);
  for (std::uint32_t i = 0; i < rows.rows; ++i) {
    const IdView id = rows.id(i);
    integers = integers && id.kind == IdKind::kInteger;
    bytes += id.bytes.size();
    const auto text = rows.metadata(i);
    metadata = metadata || text.has_value();
    bytes += text.has_value() ? text->size() : 0;
  }
  Writer out;
  out.reserve(bytes);
  out.number(rows.rows);
  out.number(flag_if(rows.inverse_norms != nullptr, kHasNorms) | flag_if(metadata, kHasMetadata) |
             flag_if(integers, kIntegerIds));
  out.number(rows.first_sequence);
  out.number(std::uint64_t{rows.vector_bytes});
  write_ids(out, rows.rows, rows.id, integers);
  for (std::uint32_t i = 0; i < rows.rows; ++i) out.bytes(rows.vector(i), rows.vector_bytes);
  out.pad();
  if (rows.inverse_norms != nullptr) {
    out.bytes(rows.inverse_norms, rows.rows * sizeof(float));
    out.pad();
  }
  if (metadata) write_metadata(out, rows.rows, rows.metadata);
  return out.take();
}

Result<LoggedRows> decode_rows(std::span<const std::byte> payload) {
  Reader in(payload);
  LoggedRows rows;
  const auto count = in.number<std::uint32_t>();
  const auto flags = in.number<std::uint32_t>();
  rows.first_sequence = in.number<std::uint64_t>();
  const auto vector_bytes = in.number<std::uint64_t>();
  rows.vector_bytes = static_cast<std::size_t>(vector_bytes);
  rows.ids = read_ids(in, count, (flags & kIntegerIds) != 0);
  rows.vectors = in.take(count, vector_bytes).data();
  in.skip_padding();
  if ((flags & kHasNorms) != 0) {
    rows.inverse_norms = reinterpret_cast<const float*>(in.take(count, sizeof(float)).data());
    in.skip_padding();
  }
  if ((flags & kHasMetadata) != 0) rows.metadata = read_metadata(in, count);
  SPRINGG_RETURN_IF_ERROR(in.finish());
  return rows;
}

Payload encode_delete(const IdColumn& ids) {
  Writer out;
  out.number(static_cast<std::uint32_t>(ids.size()));
  out.number(flag_if(ids.all_integers(), kIntegerIds));
  write_ids(
      out, ids.size(), [&](std::uint32_t i) { return ids[i]; }, ids.all_integers());
  return out.take();
}

Result<IdColumn> decode_delete(std::span<const std::byte> payload) {
  Reader in(payload);
  const auto count = in.number<std::uint32_t>();
  const auto flags = in.number<std::uint32_t>();
  IdColumn ids = read_ids(in, count, (flags & kIntegerIds) != 0);
  SPRINGG_RETURN_IF_ERROR(in.finish());
  return ids;
}

Payload encode_metadata(const IdColumn& ids, const MetadataColumn& metadata) {
  const auto count = static_cast<std::uint32_t>(ids.size());
  Writer out;
  out.number(count);
  out.number(flag_if(ids.all_integers(), kIntegerIds));
  write_ids(
      out, count, [&](std::uint32_t i) { return ids[i]; }, ids.all_integers());
  write_metadata(out, count, [&](std::uint32_t i) -> std::optional<std::string_view> {
    if (!metadata.has(i)) return std::nullopt;
    return metadata.text(i);
  });
  return out.take();
}

Result<LoggedMetadata> decode_metadata(std::span<const std::byte> payload) {
  Reader in(payload);
  const auto count = in.number<std::uint32_t>();
  const auto flags = in.number<std::uint32_t>();
  LoggedMetadata logged;
  logged.ids = read_ids(in, count, (flags & kIntegerIds) != 0);
  logged.metadata = read_metadata(in, count);
  SPRINGG_RETURN_IF_ERROR(in.finish());
  return logged;
}

Payload encode_segment(const LoggedSegment& segment) {
  Writer out;
  out.bytes(segment.uuid.bytes.data(), segment.uuid.bytes.size());
  out.number(segment.file_bytes);
  out.number(segment.first_sequence);
  out.number(segment.rows);
  out.number(flag_if(segment.into_memtable, kIntoMemtable));
  return out.take();
}

Result<LoggedSegment> decode_segment(std::span<const std::byte> payload) {
  Reader in(payload);
  LoggedSegment segment;
  const auto uuid = in.take(segment.uuid.bytes.size());
  if (in.ok()) std::memcpy(segment.uuid.bytes.data(), uuid.data(), uuid.size());
  segment.file_bytes = in.number<std::uint64_t>();
  segment.first_sequence = in.number<std::uint64_t>();
  segment.rows = in.number<std::uint32_t>();
  segment.into_memtable = (in.number<std::uint32_t>() & kIntoMemtable) != 0;
  SPRINGG_RETURN_IF_ERROR(in.finish());
  return segment;
}

}  // namespace springg::storage
