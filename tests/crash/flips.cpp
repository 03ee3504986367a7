// SPDX-License-Identifier: MIT
// A store of some 300 kB with segments, a delta, a manifest and a log: each of its bytes is
// flipped, and each file cut at each length, one at a time. What is opened must be whole, or
// refused with the file's name; never a wrong answer, never a crash. Every other one is opened with
// its vectors not compared until they are read.
//
//   flips [--seed S] [--threads N] [--bits 1|8] [--step N]
//
// --bits 8 flips every bit of a byte in turn, --step N looks at each N-th byte. Prints one JSON
// document; exits with 1 after a failure, which it prints.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/checksum.h"
#include "engine/database_core.h"
#include "io/fault_file_system.h"

namespace springg::crash {

namespace {

constexpr char kPath[] = "/db";
constexpr std::size_t kDimensions = 24;

struct Settings {
  std::uint64_t seed = 1;
  unsigned threads = 2;
  unsigned bits = 1;
  std::uint64_t step = 1;
};

struct Counts {
  std::uint64_t flips = 0;
  std::uint64_t cuts = 0;
  std::uint64_t detected = 0;
  std::uint64_t harmless = 0;
  std::uint64_t undetected = 0;
  std::uint64_t without_file = 0;  // refused without saying which file
};

[[noreturn]] void stop(const Status& status) {
  std::fprintf(stderr, "flips: cannot make the store: %s\n", status.message().c_str());
  std::exit(1);
}

template <class T>
T taken(Result<T> result) {
  if (!result.ok()) stop(result.status());
  return std::move(result).value();
}

std::uint64_t no_time() { return 1'700'000'000'000; }

Result<std::shared_ptr<engine::DatabaseCore>> open_core(io::FileSystem& files, bool later = false) {
  DatabaseOptions options;
  options.threads = 1;
  engine::Tuning tuning;
  tuning.log_file_bytes_min = tuning.log_file_bytes_max = 16'384;
  tuning.logged_vector_bytes_max = 4000;
  if (later) {
    tuning.compare_later_bytes = 0;
    tuning.compare_in_background = false;  // which one finds it would be a matter of luck
  }
  return engine::DatabaseCore::open(kPath, options, &files, &no_time, tuning);
}

void store(Index& index, std::uint64_t first, std::uint64_t count, std::mt19937_64& random,
           bool strings) {
  IdColumn ids;
  MetadataColumn metadata;
  std::vector<float> values(count * kDimensions);
  for (float& value : values) value = static_cast<float>(random() % 2000) / 100.0F - 10.0F;
  for (std::uint64_t id = first; id < first + count; ++id) {
    strings&& id % 2 == 0 ? ids.append_string("row " + std::to_string(id)) : ids.append_integer(id);
    id % 3 == 0 ? metadata.append_none() : metadata.append("{\"n\":" + std::to_string(id) + "}");
  }
  taken(index.upsert(ids, {values.data(), count, kDimensions, kDimensions}, &metadata, nullptr));
}

void make_store(io::FileSystem& files, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto core = taken(open_core(files));
  IndexOptions options;
  options.dimensions = kDimensions;
  options.m = 2;  // a damaged graph is built anew each time it is opened
  options.ef_construction = 4;
  const auto large = taken(core->create_index("large", options, false));
  options.metric = Metric::kL2;
  options.dtype = ScalarType::kFloat16;
  const auto small = taken(core->create_index("small", options, false));
  store(*large, 0, 700, random, false);
  store(*small, 0, 200, random, true);
  if (const Status status = core->flush(); !status.ok()) stop(status);
  IdColumn gone;
  for (std::uint64_t id = 100; id < 130; ++id) gone.append_integer(id);
  taken(large->remove(gone));
  if (const Status status = core->flush(); !status.ok()) stop(status);
  // What follows is in the log alone: small records, and a file beside it.
  for (std::uint64_t i = 0; i < 12; ++i)
    store(i % 2 == 0 ? *large : *small, 800 + i * 3, 3, random, true);
  store(*large, 900, 60, random, false);
  gone = IdColumn();
  for (std::uint64_t id = 1; id < 20; id += 2) gone.append_integer(id);
  taken(small->remove(gone));
  core->abandon();
}

// Every row of every index, in order, as it is read and as an exact search finds it.
Result<std::uint64_t> contents_of(const Index& index) {
  SPRINGG_ASSIGN_OR_RETURN(const IndexStats stats, index.stats());
  if (!stats.read_only.empty()) return corruption(stats.read_only);
  SPRINGG_ASSIGN_OR_RETURN(const auto view, index.view());
  const RecordBatch rows = view->records(0, view->rows(), {.metadata = true, .vectors = true});
  std::string text = index.name();
  for (std::size_t i = 0; i < rows.ids.size(); ++i) {
    SPRINGG_ASSIGN_OR_RETURN(const bool there, index.contains(rows.ids[i]));
    text += (there ? describe(rows.ids[i]) : "lost") + std::string(rows.metadata->text(i));
  }
  SearchOptions options;
  options.k = 50;
  options.exact = true;
  const MatrixView query{rows.vectors.data(), 1, kDimensions, kDimensions};
  SPRINGG_ASSIGN_OR_RETURN(const SearchResult hits, index.search(query, options, nullptr));
  for (std::size_t i = 0; i < hits.ids.size(); ++i) text += describe(hits.ids[i]);
  const auto bytes_of = [](const std::vector<float>& values) {
    return std::as_bytes(std::span<const float>(values));
  };
  return base::xxh3(text) * 31 + base::xxh3(bytes_of(rows.vectors)) * 7 +
         base::xxh3(bytes_of(hits.distances));
}

Result<std::uint64_t> contents_of(const engine::DatabaseCore& core) {
  std::uint64_t sum = 0;
  for (const std::string& name : core.index_names()) {
    SPRINGG_ASSIGN_OR_RETURN(const auto index, core.index(name));
    SPRINGG_ASSIGN_OR_RETURN(const std::uint64_t one, contents_of(*index));
    sum = sum * 1'000'003 + one;
  }
  return sum;
}

struct Mutant {
  std::string file;
  std::uint64_t offset = 0;
  unsigned bit = 8;  // 8: cut there
};

class Flipper {
 public:
  Flipper(const Settings& settings, Counts& counts) : settings_(settings), counts_(counts) {
    make_store(original_, settings.seed);
    original_.make_durable();
    const auto whole = original_.crash_point().process_crash();
    expected_ = taken(recover(*whole, false));
    for (const std::string& name : taken(original_.list(kPath))) {
      if (name != "LOCK" && name != "reserve") names_.push_back(name);
    }
  }

  std::uint64_t bytes() {
    std::uint64_t sum = 0;
    for (const std::string& name : names_) sum += file_bytes(name);
    return sum;
  }

  bool run() {
    for (const std::string& name : names_) {
      const std::uint64_t size = file_bytes(name);
      for (std::uint64_t offset = 0; offset < size; offset += settings_.step) {
        if (offset / settings_.step % settings_.threads != turn_) continue;
        if (!flip_bits(name, offset) || !judge({name, offset, 8})) return false;
      }
    }
    return true;
  }

  void take_turn(unsigned turn) { turn_ = turn; }

 private:
  std::uint64_t file_bytes(const std::string& name) {
    return taken(original_.file_bytes(std::string(kPath) + "/" + name));
  }

  bool flip_bits(const std::string& name, std::uint64_t offset) {
    for (unsigned i = 0; i < settings_.bits; ++i) {
      const unsigned bit =
          settings_.bits == 8 ? i : static_cast<unsigned>((offset * 7 + settings_.seed) % 8);
      if (!judge({name, offset, bit})) return false;
    }
    return true;
  }

  static Result<std::uint64_t> recover(io::FileSystem& files, bool later) {
    SPRINGG_ASSIGN_OR_RETURN(const auto core, open_core(files, later));
    const auto found = contents_of(*core);
    core->abandon();
    return found;
  }

  std::unique_ptr<io::FaultFileSystem> with(const Mutant& mutant) {
    auto files = original_.crash_point().process_crash();
    const std::string path = std::string(kPath) + "/" + mutant.file;
    const auto mapped = taken(files->map(path));
    std::vector<std::byte> bytes(mapped->bytes().begin(), mapped->bytes().end());
    if (mutant.bit == 8) {
      bytes.resize(mutant.offset);
    } else {
      bytes[mutant.offset] ^= static_cast<std::byte>(1U << mutant.bit);
    }
    if (const Status status = files->remove(path); !status.ok()) stop(status);
    const auto file = taken(files->create(path, 0));
    if (const Status status = file->append(bytes); !status.ok()) stop(status);
    return files;
  }

  bool judge(const Mutant& mutant) {
    const auto files = with(mutant);
    const Result<std::uint64_t> found = recover(*files, mutant.offset % 2 == 1);
    ++(mutant.bit == 8 ? counts_.cuts : counts_.flips);
    if (found.ok() && found.value() == expected_) {
      ++counts_.harmless;
      return true;
    }
    const std::string& message = found.status().message();
    const ErrorCode code = found.status().code();
    if (code == ErrorCode::kCorruption || code == ErrorCode::kUnsupported) {
      ++counts_.detected;
      if (message.find("wal-") != std::string::npos ||
          message.find(".segment") != std::string::npos ||
          message.find(".delta") != std::string::npos ||
          message.find("manifest") != std::string::npos) {
        return true;
      }
      ++counts_.without_file;
    } else {
      ++counts_.undetected;
    }
    std::fprintf(stderr, "%s, %s at byte %llu%s: %s\n", mutant.file.c_str(),
                 mutant.bit == 8 ? "cut" : "flipped",
                 static_cast<unsigned long long>(mutant.offset),
                 mutant.bit == 8 ? "" : (", bit " + std::to_string(mutant.bit)).c_str(),
                 found.ok() ? "opened, with other rows" : message.c_str());
    return false;
  }

  const Settings& settings_;
  Counts& counts_;
  io::FaultFileSystem original_;
  std::uint64_t expected_ = 0;
  std::vector<std::string> names_;
  unsigned turn_ = 0;
};

int run(const Settings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Counts> counts(settings.threads);
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<bool> failed{false};
  for (unsigned t = 0; t < settings.threads; ++t) {
    threads.emplace_back([&, t] {
      Flipper flipper(settings, counts[t]);
      flipper.take_turn(t);
      bytes = flipper.bytes();
      if (!flipper.run()) failed = true;
    });
  }
  for (std::thread& thread : threads) thread.join();
  Counts all;
  for (const Counts& one : counts) {
    all.flips += one.flips;
    all.cuts += one.cuts;
    all.detected += one.detected;
    all.harmless += one.harmless;
    all.undetected += one.undetected;
    all.without_file += one.without_file;
  }
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "{\"harness\": \"flips\", \"first_seed\": %llu, \"store_bytes\": %llu, \"flips\": %llu, "
      "\"cuts\": %llu, \"detected\": %llu, \"harmless\": %llu, \"undetected_flips\": %llu, "
      "\"without_file\": %llu, \"seconds\": %.1f}\n",
      number(settings.seed), number(bytes), number(all.flips), number(all.cuts),
      number(all.detected), number(all.harmless), number(all.undetected), number(all.without_file),
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return failed ? 1 : 0;
}

}  // namespace

int main_of(int count, char** values) {
  Settings settings;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string option = values[i];
    const std::uint64_t value = std::strtoull(values[i + 1], nullptr, 10);
    if (option == "--seed") settings.seed = value;
    if (option == "--threads")
      settings.threads = static_cast<unsigned>(std::max<std::uint64_t>(value, 1));
    if (option == "--bits") settings.bits = value == 8 ? 8 : 1;
    if (option == "--step") settings.step = std::max<std::uint64_t>(value, 1);
  }
  return run(settings);
}

}  // namespace springg::crash

int main(int count, char** values) { return springg::crash::main_of(count, values); }
