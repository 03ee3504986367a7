// SPDX-License-Identifier: MIT
// kill -9 of a real process on a real file system, over and over: a child opens a database, says
// what it found, and works until it is killed; the next one, on the same directory, is judged by
// what the one before had been promised. A kill may hit recovery as well.
//
//   kill_cycles [--cycles N] [--seed S] [--seconds T] [--jobs N] [--directory D]
//
// Prints one JSON document. After a failure it prints the seed and the cycle of the history, keeps
// the directory as the failed open found it, and exits with 1. The kill's moment is of the clock:
// the same seed does the same operations, and is killed at about the same moment.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include "engine/database_core.h"
#include "side_log.h"

namespace springg::crash {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kHangs = std::chrono::seconds(60);  // nothing here takes a hundredth of it
constexpr int kShared = 3;                         // indexes of all owners at most

struct Settings {
  std::uint64_t cycles = 3000;
  std::uint64_t seed = 1;
  double seconds = 1e9;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  std::string directory;
};

// What the workers add to; shared by processes.
struct Totals {
  std::atomic<std::uint64_t> cycles{0}, next_seed{0}, histories{0};
  std::atomic<std::uint64_t> acked{0}, killed_opening{0}, operations{0};
  std::atomic<std::uint64_t> lost_acked{0}, resurrected{0}, false_refusals{0}, others{0};
  std::atomic<bool> stop{false};

  std::uint64_t failures() const { return lost_acked + resurrected + false_refusals + others; }
};

// A history: some cycles on one directory. All of it follows from the seed.
struct Plan {
  explicit Plan(std::uint64_t seed_of_history) : seed(seed_of_history), random(seed_of_history) {
    owners = random() % 3 == 0 ? 2 + random() % (SideBoard::kOwners - 1) : 1;
    shared = owners == 1 ? 0 : 1 + random() % kShared;
    structure = owners == 1 || random() % 2 == 0;
    cycles = 10 + static_cast<int>(random() % 40);
  }

  std::uint64_t seed;
  std::mt19937_64 random;
  std::size_t owners;
  std::size_t shared;
  bool structure;
  int cycles;
};

// Small, so that a few rows take every way; other sizes in each cycle.
engine::Tuning tuning(std::uint64_t seed) {
  engine::Tuning made;
  made.memtable_call_rows_max = seed % 3 == 0 ? 16 : made.memtable_call_rows_max;
  made.logged_vector_bytes_max = seed % 2 == 0 ? 200 : made.logged_vector_bytes_max;
  made.log_file_bytes_min = seed % 7 == 0 ? 65'536 : 4096;
  made.log_file_bytes_max = std::max<std::uint64_t>(made.log_file_bytes_min, 16'384);
  made.rest_ms = seed % 5 < 3 ? 1 : made.rest_ms;
  made.rest_rows_min = 8;
  return made;
}

DatabaseOptions options(std::uint64_t seed) {
  DatabaseOptions made;
  made.threads = seed % 4 == 0 ? 2 : 1;
  constexpr std::uint64_t kLogBytes[] = {1024, 8192, 65'536, std::uint64_t{256} << 20};
  made.log_bytes_max = kLogBytes[seed / 4 % 4];
  return made;
}

Result<std::shared_ptr<engine::DatabaseCore>> open_core(const std::string& path,
                                                        std::uint64_t seed) {
  return engine::DatabaseCore::open(path, options(seed), &io::posix_file_system(),
                                    &base::system_unix_ms, tuning(seed));
}

// Nothing goes on when a harness that has hung is killed.
void die_with_parent() { (void)::prctl(PR_SET_PDEATHSIG, SIGKILL); }

// In the child, which never returns from it.
class Child {
 public:
  Child(SideBoard& board, const Plan& plan, std::string path, std::uint64_t seed)
      : board_(board), plan_(plan), path_(std::move(path)), seed_(seed) {}

  [[noreturn]] void work() {
    die_with_parent();
    const Status status = open();
    if (!status.ok()) {
      board_.refuse(status);
      ::_exit(0);
    }
    std::vector<std::thread> threads;
    for (std::size_t owner = 1; owner < plan_.owners; ++owner) {
      threads.emplace_back([this, owner] { run(owner); });
    }
    run(0);
    for (std::thread& thread : threads) thread.join();
    board_.state.store(SideBoard::State::kFinished);
    for (;;) ::pause();
  }

 private:
  Status open() {
    SPRINGG_ASSIGN_OR_RETURN(database_, open_core(path_, seed_));
    SPRINGG_ASSIGN_OR_RETURN(models_, models_of(*database_, plan_.owners));
    for (std::size_t owner = 0; owner < plan_.owners; ++owner) {
      board_.found.at(owner) = models_[owner].fingerprint();
    }
    board_.state.store(SideBoard::State::kOpened);
    return {};
  }

  void run(std::size_t owner) {
    WorkloadSettings settings;
    settings.seed = seed_ * SideBoard::kOwners + owner;
    settings.operations = SideLog::kEntries / 2 - 8;
    settings.structure = plan_.structure;
    settings.reopen = plan_.owners == 1;
    settings.rests_one_in = seed_ % 5 < 3 ? 8 : 0;  // longer than tuning()'s rest
    settings.indexes_max = 5;
    settings.owner = owner;
    settings.tag = std::to_string(seed_) + "_";
    settings.model = models_[owner];
    SideJournal journal(board_.logs.at(owner));
    const Reopen reopen = [&](bool clean) -> Result<std::shared_ptr<engine::DatabaseCore>> {
      if (!clean) database_->abandon();
      if (clean) SPRINGG_RETURN_IF_ERROR(database_->close());
      database_.reset();
      return open_core(path_, seed_);
    };
    (void)run_workload(
        settings, database_, reopen, [] { return std::uint64_t{0}; }, &journal);
  }

  SideBoard& board_;
  const Plan& plan_;
  const std::string path_;
  const std::uint64_t seed_;
  std::shared_ptr<engine::DatabaseCore> database_;
  std::vector<Model> models_;
};

class History {
 public:
  History(Plan plan, SideBoard& board, Totals& totals, std::string path)
      : plan_(std::move(plan)), board_(board), totals_(totals), path_(std::move(path)) {}

  bool run(const Settings& settings) {
    fs::remove_all(path_);
    Model empty;
    if (!make_shared(empty)) return fail("cannot make the indexes of all owners");
    runs_.assign(plan_.owners,
                 {{"as it was made", 0, 0, Durability::kDisk, Outcome::kOk, empty.fingerprint()}});
    for (cycle_ = 0; cycle_ < plan_.cycles; ++cycle_) {
      if (totals_.stop || totals_.cycles.fetch_add(1) >= settings.cycles) return true;
      if (!one_cycle()) return false;
    }
    return true;
  }

 private:
  bool make_shared(Model& model) {
    for (std::size_t i = 0; i < plan_.shared; ++i) model.indexes()["shared" + std::to_string(i)];
    const pid_t pid = ::fork();
    if (pid == 0) {
      auto core = std::move(open_core(path_, 0)).value();
      IndexOptions options;
      options.dimensions = kDimensions;
      for (const auto& entry : model.indexes()) {
        if (!core->create_index(entry.first, options, false).ok()) ::_exit(1);
      }
      ::_exit(core->close().ok() ? 0 : 1);
    }
    int status = 0;
    return ::waitpid(pid, &status, 0) == pid && status == 0;
  }

  bool one_cycle() {
    // The seed of the cycle gives the work, and the moment of the kill.
    const std::uint64_t seed = plan_.random();
    keep_copy();
    board_.clear();
    const pid_t pid = ::fork();
    if (pid == 0) Child(board_, plan_, path_, seed % 1'000'000).work();
    const std::string hangs = wait_for_moment(pid, seed >> 20);
    (void)::kill(pid, SIGKILL);
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    if (!hangs.empty()) return fail(hangs);
    const SideBoard::State state = board_.state.load();
    if (state == SideBoard::State::kRefused) {
      ++totals_.false_refusals;
      return fail(std::string("refused: ") + static_cast<const char*>(board_.fault));
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
      return fail("the child ended by itself, status " + std::to_string(status));
    }
    if (state == SideBoard::State::kOpening) {
      ++totals_.killed_opening;
      return true;  // the next one is judged by the same run
    }
    return judge_all();
  }

  // Of what the database was before the cycle, so that a failure can be looked at.
  void keep_copy() const {
    fs::remove_all(copy());
    fs::copy(path_, copy(), fs::copy_options::recursive);
  }
  std::string copy() const { return path_ + ".before"; }

  // A time after the fork, a time after the database was open, or just behind the beginning of an
  // operation. Short ones are as likely as long ones: 1 us to 8 ms.
  std::string wait_for_moment(pid_t pid, std::uint64_t random) const {
    const std::uint64_t kind = random % 8;
    random /= 8;
    const auto micros = std::chrono::microseconds((std::uint64_t{1} << random % 14) +
                                                  random / 16 % (std::uint64_t{1} << random % 14));
    const std::uint32_t operation = 1 + static_cast<std::uint32_t>(random / 64 % 48);
    const auto begin = Clock::now();
    const auto until = [&](auto condition) {
      while (!condition()) {
        if (ended(pid)) return true;
        if (Clock::now() - begin > kHangs) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
      return true;
    };
    if (kind != 0 && !until([&] { return board_.state.load() != SideBoard::State::kOpening; })) {
      return "opening did not end within a minute";
    }
    const SideLog& log = board_.logs[0];
    if (kind > 4 && !until([&] { return log.begun.load() > operation || finished(); })) {
      return "operation " + std::to_string(log.begun.load()) + " did not end within a minute";
    }
    if (micros < std::chrono::microseconds(100)) {
      const auto end = Clock::now() + micros;
      while (Clock::now() < end) continue;
    } else {
      std::this_thread::sleep_for(micros);
    }
    return {};
  }

  bool finished() const { return board_.state.load() == SideBoard::State::kFinished; }
  static bool ended(pid_t pid) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
  }

  bool judge_all() {
    for (std::size_t owner = 0; owner < plan_.owners; ++owner) {
      Counts counts;
      const Allowed allowed = allowed_states(runs_[owner], kNever - 1, Crash::kProcessEnd);
      const std::string fault = judge(runs_[owner], allowed, board_.found.at(owner), false, counts);
      totals_.lost_acked += counts.lost_acked;
      totals_.resurrected += counts.resurrected;
      if (!fault.empty()) return fail("owner " + std::to_string(owner) + ": " + fault, owner);
    }
    for (std::size_t owner = 0; owner < plan_.owners; ++owner) {
      runs_[owner] = run_of(board_.logs.at(owner), board_.found.at(owner));
      for (const Operation& operation : runs_[owner]) {
        if (operation.end == kNever) continue;
        ++totals_.operations;
        if (operation.durability >= Durability::kProcess) ++totals_.acked;
        // No call here has a reason to fail.
        if (operation.outcome != Outcome::kOk) return fail(operation.what, owner);
      }
    }
    return true;
  }

  bool fail(const std::string& what, std::optional<std::size_t> owner = {}) const {
    if (totals_.failures() == 0) ++totals_.others;
    totals_.stop = true;
    std::fprintf(stderr, "seed %llu, cycle %d of it: %s\nthe directory before it: %s\n",
                 static_cast<unsigned long long>(plan_.seed), cycle_, what.c_str(), copy().c_str());
    if (!owner.has_value()) return false;
    for (const Operation& operation : runs_[*owner]) {
      std::fprintf(stderr, "  %4llu  %016llx  %s%s\n",
                   static_cast<unsigned long long>(operation.begin),
                   static_cast<unsigned long long>(operation.fingerprint), operation.what.c_str(),
                   operation.end == kNever ? "  (never ended)" : "");
    }
    return false;
  }

  Plan plan_;
  SideBoard& board_;
  Totals& totals_;
  const std::string path_;
  int cycle_ = 0;
  std::vector<std::vector<Operation>> runs_;  // of each owner: what the last child did
};

// A process for each job, since only a process of one thread may fork and go on.
[[noreturn]] void work(const Settings& settings, Totals& totals, unsigned job) {
  die_with_parent();
  const std::string root = settings.directory + "/springg-kill-" + std::to_string(::getpid()) +
                           "-" + std::to_string(job);
  fs::create_directories(root);
  SideBoard* board = SideBoard::map();
  if (board == nullptr) ::_exit(2);
  bool good = true;
  const auto begin = Clock::now();
  while (good && !totals.stop && totals.cycles < settings.cycles &&
         Clock::now() - begin < std::chrono::duration<double>(settings.seconds)) {
    ++totals.histories;
    good = History(Plan(totals.next_seed++), *board, totals, root + "/db").run(settings);
  }
  if (good) fs::remove_all(root);
  ::_exit(good ? 0 : 1);
}

int run(const Settings& settings) {
  void* memory =
      ::mmap(nullptr, sizeof(Totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  Totals& totals = *new (memory) Totals;
  totals.next_seed = settings.seed;
  const auto begin = Clock::now();
  for (unsigned job = 0; job < settings.jobs; ++job) {
    const pid_t pid = ::fork();
    if (pid == 0) work(settings, totals, job);
  }
  bool good = true;
  for (int status = 0; ::waitpid(-1, &status, 0) > 0;) good = good && status == 0;
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const auto cycles = std::min<std::uint64_t>(totals.cycles, settings.cycles);
  std::printf(
      "{\"harness\": \"kill_cycles\", \"first_seed\": %llu, \"seeds\": %llu, \"cycles\": %llu, "
      "\"killed_opening\": %llu, \"operations\": %llu, \"acked\": %llu, \"lost_acked\": %llu, "
      "\"resurrected\": %llu, \"false_refusals\": %llu, \"other_failures\": %llu, "
      "\"cycles_per_second\": %.1f, \"seconds\": %.1f}\n",
      static_cast<unsigned long long>(settings.seed),
      static_cast<unsigned long long>(totals.histories.load()),
      static_cast<unsigned long long>(cycles),
      static_cast<unsigned long long>(totals.killed_opening.load()),
      static_cast<unsigned long long>(totals.operations.load()),
      static_cast<unsigned long long>(totals.acked.load()),
      static_cast<unsigned long long>(totals.lost_acked.load()),
      static_cast<unsigned long long>(totals.resurrected.load()),
      static_cast<unsigned long long>(totals.false_refusals.load()),
      static_cast<unsigned long long>(totals.others.load()), static_cast<double>(cycles) / seconds,
      seconds);
  return good && totals.failures() == 0 ? 0 : 1;
}

// Memory before disk: what is in a file is there after a kill, and the cycles are quick.
std::string default_directory() {
  if (::access("/dev/shm", W_OK) == 0) return "/dev/shm";
  const char* temporary = std::getenv("TMPDIR");
  return temporary == nullptr ? "/tmp" : temporary;
}

int usage() {
  std::fprintf(stderr,
               "usage: kill_cycles [--cycles N] [--seed S] [--seconds T] [--jobs N] "
               "[--directory D]\n");
  return 2;
}

}  // namespace

int main_of(int count, char** values) {
  Settings settings;
  settings.directory = default_directory();
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string option = values[i];
    const char* value = values[i + 1];
    if (option == "--cycles") {
      settings.cycles = std::strtoull(value, nullptr, 10);
    } else if (option == "--seed") {
      settings.seed = std::strtoull(value, nullptr, 10);
    } else if (option == "--seconds") {
      settings.seconds = std::strtod(value, nullptr);
    } else if (option == "--jobs") {
      settings.jobs = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
    } else if (option == "--directory") {
      settings.directory = value;
    } else {
      return usage();
    }
  }
  return count % 2 == 1 ? run(settings) : usage();
}

}  // namespace springg::crash

int main(int count, char** values) { return springg::crash::main_of(count, values); }
