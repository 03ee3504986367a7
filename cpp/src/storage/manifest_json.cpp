// SPDX-License-Identifier: MIT
#include "storage/manifest_json.h"

#include <simdjson.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "springg/options.h"

namespace springg::storage {

namespace {

void append_quoted(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

// {"a":1,"b":"x"}: fields in the order given.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  void end() { out_ += '}'; }
  void number(std::string_view name, std::uint64_t value) {
    key(name);
    out_ += std::to_string(value);
  }
  void real(std::string_view name, double value) {  // finite; it comes back as it was
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    key(name);
    out_.append(digits.data(), end.ptr);
  }
  void text(std::string_view name, std::string_view value) {
    key(name);
    append_quoted(value, out_);
  }
  void key(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    append_quoted(name, out_);
    out_ += ':';
  }

 private:
  std::string& out_;
};

void append_segment(const SegmentEntry& segment, std::string& out) {
  ObjectWriter object(out);
  object.text("uuid", segment.uuid.to_string());
  object.number("rows", segment.rows);
  object.number("file_bytes", segment.file_bytes);
  if (segment.delta) object.text("delta", segment.delta->to_string());
  object.end();
}

void append_options(const IndexOptions& options, std::string& out) {
  ObjectWriter object(out);
  object.number("dimensions", options.dimensions);
  object.text("metric", to_string(options.metric));
  object.text("dtype", to_string(options.dtype));
  object.text("quantization", to_string(options.quantization));
  object.number("m", options.m);
  object.number("ef_construction", options.ef_construction);
  object.number("seed", options.seed);
  object.end();
}

void append_tuning(const SearchTuning& tuning, std::string& out) {
  ObjectWriter object(out);
  object.real("recall", tuning.recall);
  if (tuning.reached) object.real("reached", *tuning.reached);
  object.number("ef", tuning.ef);
  object.number("k", tuning.k);
  object.number("queries", tuning.queries);
  object.end();
}

void append_index(const IndexEntry& index, std::string& out) {
  ObjectWriter object(out);
  object.text("name", index.name);
  object.text("uuid", index.uuid.to_string());
  object.number("log_ref", index.log_ref);
  object.number("lsn", index.lsn);
  object.key("options");
  append_options(index.options, out);
  if (index.tuning) {
    object.key("tuning");
    append_tuning(*index.tuning, out);
  }
  object.number("next_sequence", index.next_sequence);
  object.key("segments");
  out += '[';
  for (const SegmentEntry& segment : index.segments) {
    if (out.back() != '[') out += ',';
    append_segment(segment, out);
  }
  out += ']';
  object.end();
}

// Fields of one JSON object. The first thing that is wrong sticks; what is read after it is empty.
class ObjectReader {
 public:
  ObjectReader(simdjson::dom::element element, std::string where, Status& status)
      : where_(std::move(where)), status_(status) {
    if (element.get_object().get(object_) != simdjson::SUCCESS) fail("", "expected an object");
  }

  std::uint64_t number(const char* name, std::uint64_t low, std::uint64_t high) {
    std::uint64_t value = 0;
    if (!status_.ok()) return 0;
    if (object_[name].get_uint64().get(value) != simdjson::SUCCESS) {
      return fail(name, "expected an unsigned integer"), 0;
    }
    if (value < low || value > high) {
      fail(name, "expected " + std::to_string(low) + " to " + std::to_string(high) + ", got " +
                     std::to_string(value));
      return 0;
    }
    return value;
  }

  // 0..1
  double share(const char* name) {
    double value = 0;
    if (!status_.ok()) return 0;
    if (object_[name].get_double().get(value) != simdjson::SUCCESS) {
      return fail(name, "expected a number"), 0;
    }
    if (value >= 0 && value <= 1) return value;
    return fail(name, "expected 0 to 1, got " + std::to_string(value)), 0;
  }

  // False when there is no such field, and when something was wrong before.
  bool has(const char* name) const {
    return status_.ok() && object_[name].error() != simdjson::NO_SUCH_FIELD;
  }

  std::string_view text(const char* name) {
    std::string_view value;
    if (status_.ok() && object_[name].get_string().get(value) != simdjson::SUCCESS) {
      fail(name, "expected a string");
    }
    return value;
  }

  base::Uuid uuid(const char* name) {
    const std::string_view value = text(name);
    const auto parsed = base::Uuid::parse(value);
    if (status_.ok() && !parsed) {
      fail(name, "expected a uuid, got '" + std::string(value) + "'");
    }
    return parsed.value_or(base::Uuid{});
  }

  std::optional<base::Uuid> optional_uuid(const char* name) {
    if (!has(name)) return std::nullopt;
    return uuid(name);
  }

  template <class T>
  T spelled(const char* name, Result<T> (*parse)(std::string_view), T fallback) {
    const std::string_view value = text(name);
    if (!status_.ok()) return fallback;
    auto parsed = parse(value);
    if (parsed.ok()) return *parsed;
    fail(name, parsed.status().message());
    return fallback;
  }

  simdjson::dom::element object(const char* name) {
    simdjson::dom::element value;
    if (status_.ok() && object_[name].get(value) != simdjson::SUCCESS) {
      fail(name, "expected an object");
    }
    return value;
  }

  template <class Body>
  void each(const char* name, Body body) {
    simdjson::dom::array array;
    if (status_.ok() && object_[name].get_array().get(array) != simdjson::SUCCESS) {
      fail(name, "expected an array");
    }
    if (!status_.ok()) return;
    std::size_t position = 0;
    for (const simdjson::dom::element element : array) {
      body(element, where_ + name + "[" + std::to_string(position++) + "].");
      if (!status_.ok()) return;
    }
  }

 private:
  void fail(const std::string& name, const std::string& what) {
    if (status_.ok()) status_ = corruption("manifest field '" + where_ + name + "': " + what);
  }

  std::string where_;
  Status& status_;
  simdjson::dom::object object_;
};

constexpr std::uint64_t kAny = ~std::uint64_t{0};
constexpr std::uint64_t kLogRefMax = std::numeric_limits<std::uint32_t>::max();

SegmentEntry read_segment(ObjectReader object) {
  SegmentEntry segment;
  segment.uuid = object.uuid("uuid");
  segment.rows = object.number("rows", 0, limits::kSegmentRowsMax);
  segment.file_bytes = object.number("file_bytes", 0, kAny);
  segment.delta = object.optional_uuid("delta");
  return segment;
}

IndexOptions read_options(ObjectReader object) {
  IndexOptions options;
  options.dimensions = object.number("dimensions", 1, limits::kDimensionsMax);
  options.metric = object.spelled("metric", &parse_metric, options.metric);
  options.dtype = object.spelled("dtype", &parse_scalar_type, options.dtype);
  options.quantization = object.spelled("quantization", &parse_quantization, options.quantization);
  options.m = object.number("m", limits::kMMin, limits::kMMax);
  options.ef_construction =
      object.number("ef_construction", limits::kEfConstructionMin, limits::kEfConstructionMax);
  options.seed = object.number("seed", 0, kAny);
  return options;
}

SearchTuning read_tuning(ObjectReader object) {
  SearchTuning tuning;
  tuning.recall = object.share("recall");
  if (object.has("reached")) tuning.reached = object.share("reached");
  tuning.ef = object.number("ef", 1, limits::kEfMax);
  tuning.k = object.number("k", 1, limits::kGraphSearchKMax);
  tuning.queries = object.number("queries", 0, kAny);
  return tuning;
}

IndexEntry read_index(simdjson::dom::element element, const std::string& where, Status& status) {
  ObjectReader object(element, where, status);
  IndexEntry index;
  index.name = object.text("name");
  index.uuid = object.uuid("uuid");
  index.log_ref = static_cast<std::uint32_t>(object.number("log_ref", 1, kLogRefMax));
  index.lsn = object.number("lsn", 0, kAny);
  const simdjson::dom::element options = object.object("options");
  if (status.ok()) index.options = read_options(ObjectReader(options, where + "options.", status));
  if (object.has("tuning")) {
    const simdjson::dom::element tuning = object.object("tuning");
    index.tuning = read_tuning(ObjectReader(tuning, where + "tuning.", status));
  }
  index.next_sequence = object.number("next_sequence", 1, kAny);
  object.each("segments", [&](simdjson::dom::element segment, const std::string& place) {
    index.segments.push_back(read_segment(ObjectReader(segment, place, status)));
  });
  return index;
}

std::optional<std::string> find_index_fault(const IndexEntry& index, std::set<base::Uuid>& uuids) {
  if (index.name.empty() || index.name.size() > limits::kIndexNameBytesMax) {
    return "index name: expected 1 to " + std::to_string(limits::kIndexNameBytesMax) +
           " bytes, got " + std::to_string(index.name.size());
  }
  const auto used_twice = [&uuids](const base::Uuid& uuid) { return !uuids.insert(uuid).second; };
  if (used_twice(index.uuid)) return "uuid " + index.uuid.to_string() + " comes twice";
  for (const SegmentEntry& segment : index.segments) {
    if (used_twice(segment.uuid)) return "uuid " + segment.uuid.to_string() + " comes twice";
    if (segment.delta && used_twice(*segment.delta)) {
      return "uuid " + segment.delta->to_string() + " comes twice";
    }
  }
  return std::nullopt;
}

std::optional<std::string> find_manifest_fault(const Manifest& manifest) {
  if (manifest.indexes.size() > limits::kIndexesMax) {
    return "indexes: expected at most " + std::to_string(limits::kIndexesMax) + ", got " +
           std::to_string(manifest.indexes.size());
  }
  std::set<base::Uuid> uuids;
  std::set<std::uint32_t> log_refs;
  const std::string* before = nullptr;
  for (const IndexEntry& index : manifest.indexes) {
    if (auto fault = find_index_fault(index, uuids)) return fault;
    if (before != nullptr && index.name <= *before) {
      return "index '" + index.name + "' comes after '" + *before + "'";
    }
    before = &index.name;
    if (index.log_ref >= manifest.next_log_ref || !log_refs.insert(index.log_ref).second) {
      return "log_ref " + std::to_string(index.log_ref) + " of index '" + index.name +
             "' comes twice, or reaches next_log_ref " + std::to_string(manifest.next_log_ref);
    }
    if (index.lsn < manifest.lsn) {
      return "lsn of index '" + index.name + "': expected at least " +
             std::to_string(manifest.lsn) + ", got " + std::to_string(index.lsn);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string encode_manifest(const Manifest& manifest) {
  std::string out;
  ObjectWriter object(out);
  object.text("store", manifest.store.to_string());
  object.number("generation", manifest.generation);
  object.number("lsn", manifest.lsn);
  object.number("durable_lsn", manifest.durable_lsn);
  object.number("next_log_ref", manifest.next_log_ref);
  object.number("created_at_unix_ms", manifest.created_at_unix_ms);
  object.key("indexes");
  out += '[';
  for (const IndexEntry& index : manifest.indexes) {
    if (out.back() != '[') out += ',';
    append_index(index, out);
  }
  out += ']';
  object.end();
  return out;
}

Result<Manifest> decode_manifest(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (const auto error = parser.parse(json.data(), json.size()).get(root)) {
    if (error == simdjson::MEMALLOC) return out_of_memory();
    return corruption(std::string("manifest is no JSON: ") + simdjson::error_message(error));
  }
  Status status;
  Manifest manifest;
  ObjectReader object(root, "", status);
  manifest.store = object.uuid("store");
  manifest.generation = object.number("generation", 0, kAny);
  manifest.lsn = object.number("lsn", 0, kAny);
  manifest.durable_lsn = object.number("durable_lsn", manifest.lsn, kAny);
  manifest.next_log_ref = static_cast<std::uint32_t>(object.number("next_log_ref", 1, kLogRefMax));
  manifest.created_at_unix_ms = object.number("created_at_unix_ms", 0, kAny);
  object.each("indexes", [&](simdjson::dom::element index, const std::string& place) {
    manifest.indexes.push_back(read_index(index, place, status));
  });
  if (!status.ok()) return status;
  if (const auto fault = find_manifest_fault(manifest)) return corruption(*fault);
  return manifest;
}

}  // namespace springg::storage
