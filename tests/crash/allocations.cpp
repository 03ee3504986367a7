// SPDX-License-Identifier: MIT
// Memory that runs out: each call is made with its first allocation failing, then with its second,
// and so on until none fails; once with a single failure, once with none of the later ones given
// either. Each time it must be refused with ResourceExhausted and have changed nothing, or be done
// as a whole; the database goes on, and its files hold the same. Then the same for the threads
// behind the calls.
//
//   allocations [--seed S] [--stride N] [--only STEP/SHORTAGE/N]
//
// --stride N tries each N-th allocation, the seed says which ones; --only goes on from the N-th of
// one call, all others are made without a failure. SHORTAGE: once, later or others. Prints one JSON
// document; exits with 1 after a failure, which it prints.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>

#include "allocation_trial.h"
#include "failing_memory.h"

namespace springg::crash {

namespace {

constexpr unsigned kSecondsMax = 60;       // of one try: some milliseconds
constexpr std::uint64_t kTriesOfLog = 8;   // between two flushes
constexpr std::uint64_t kOthersQuiet = 3;  // runs without a failure in the other threads

struct Settings {
  std::uint64_t seed = 1;
  std::uint64_t stride = 1;
  std::string only_step;
  std::string only_shortage;
  std::uint64_t only_n = 0;
};

// In memory that both processes have: what the child was at when it ended.
struct Progress {
  char step[32] = {};
  char shortage[8] = {};
  std::uint64_t n = 0;
  std::uint64_t steps = 0;
  std::uint64_t runs = 0;     // in which an allocation failed
  std::uint64_t refused = 0;  // of them: the call was refused
};

void name_of(char* to, std::size_t size, const char* text) { std::strncpy(to, text, size - 1); }

std::size_t open_files() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

class Runner {
 public:
  Runner(const Settings& settings, Progress& progress) : settings_(settings), progress_(progress) {}

  void run(const std::string& directory) {
    const std::size_t files = open_files();
    for (const Shortage shortage : {Shortage::kOnce, Shortage::kUntilLater}) {
      name_of(progress_.shortage, sizeof progress_.shortage,
              shortage == Shortage::kOnce ? "once" : "later");
      Trial trial(directory + "/" + progress_.shortage);
      trial.shortage = shortage;
      for (const Step& step : steps()) run_step(step, trial);
    }
    name_of(progress_.shortage, sizeof progress_.shortage, "others");
    for (const Shortage shortage : {Shortage::kOnce, Shortage::kUntilLater}) {
      Trial trial(directory + "/others" + std::to_string(static_cast<int>(shortage)));
      trial.shortage = shortage;
      run_others(trial);
    }
    if (open_files() != files) throw Broken("files are open that nobody uses any more");
  }

 private:
  bool wanted() const {
    return settings_.only_step.empty() ||
           (settings_.only_step == progress_.step && settings_.only_shortage == progress_.shortage);
  }
  std::uint64_t first() const {
    if (settings_.only_n != 0) return settings_.only_n;
    return 1 + settings_.seed % settings_.stride;
  }
  void begin(std::uint64_t n) {
    progress_.n = n;
    ::alarm(kSecondsMax);
  }

  void run_step(const Step& step, Trial& trial) {
    name_of(progress_.step, sizeof progress_.step, step.name);
    ++progress_.steps;
    std::uint64_t n = wanted() ? first() : ~std::uint64_t{0};
    while (try_step(step, trial, n)) n += settings_.stride;
  }

  // Whether an allocation failed.
  bool try_step(const Step& step, Trial& trial, std::uint64_t n) {
    begin(n);
    step.prepare(trial);
    Status status;
    bool thrown = false;
    arm(Who::kCaller, trial.shortage, n);
    try {
      status = step.call(trial);
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    const bool failed = disarm();
    if (thrown) throw Broken("an exception came out of the call");
    if (!status.ok() && (!failed || status.code() != ErrorCode::kResourceExhausted)) {
      throw Broken(std::string(to_string(status.code())) + ": " + status.message());
    }
    if (failed) ++progress_.runs;
    if (!status.ok()) ++progress_.refused;
    status.ok() ? step.done(trial) : step.undone(trial);
    trial.verify_readers();
    trial.verify_files();
    trial.verify_writing();
    // A reader of the files does again what the log has.
    if (n % kTriesOfLog == 0 && trial.database != nullptr) must(trial.database->flush(), "flush");
    return failed;
  }

  void run_others(Trial& trial) {
    name_of(progress_.step, sizeof progress_.step, "writes");
    ++progress_.steps;
    if (!wanted()) return;
    // The other threads are not as far each time.
    std::uint64_t n = first();
    for (std::uint64_t quiet = 0; quiet < kOthersQuiet; n += settings_.stride) {
      begin(n);
      arm(Who::kOthers, trial.shortage, n);
      work_for_all_threads(trial);
      const bool failed = disarm();
      progress_.runs += failed ? 1 : 0;
      quiet = failed ? 0 : quiet + 1;
      trial.take_background_errors();
      trial.verify_readers();
      trial.verify_files();
      trial.verify_writing();
    }
  }

  const Settings& settings_;
  Progress& progress_;
};

int run_child(const Settings& settings, Progress& progress, const std::string& directory) {
  try {
    Runner(settings, progress).run(directory);
    return 0;
  } catch (const Broken& broken) {
    std::fprintf(stderr, "%s\n", broken.what());
    return 1;
  }
}

std::string temporary_directory() {
  // Memory, where there is some: each call waits for the disk.
  const char* const base = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
  std::string pattern = std::string(base) + "/springg-allocations-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    std::perror("mkdtemp");
    std::exit(1);
  }
  return pattern;
}

int run(const Settings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  void* const shared =
      ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* const progress = new (shared) Progress;
  const std::string directory = temporary_directory();
  const pid_t child = ::fork();
  if (child == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::_exit(run_child(settings, *progress, directory));
  }
  int state = 0;
  ::waitpid(child, &state, 0);
  std::filesystem::remove_all(directory);
  const bool hung = WIFSIGNALED(state) && WTERMSIG(state) == SIGALRM;
  const bool crashed = WIFSIGNALED(state) && !hung;
  const bool broken = WIFEXITED(state) && WEXITSTATUS(state) != 0;
  const bool bad = hung || crashed || broken;
  if (bad) {
    std::fprintf(stderr, "%s, again with --only %s/%s/%llu\n",
                 hung ? "hung" : (crashed ? "crashed" : "failed"), progress->step,
                 progress->shortage, static_cast<unsigned long long>(progress->n));
  }
  std::printf(
      "{\"harness\": \"allocations\", \"first_seed\": %llu, \"stride\": %llu, \"steps\": %llu, "
      "\"runs\": %llu, \"refused\": %llu, \"broken_promises\": %d, \"crashed\": %d, \"hung\": %d, "
      "\"seconds\": %.1f}\n",
      static_cast<unsigned long long>(settings.seed),
      static_cast<unsigned long long>(settings.stride),
      static_cast<unsigned long long>(progress->steps),
      static_cast<unsigned long long>(progress->runs),
      static_cast<unsigned long long>(progress->refused), broken, crashed, hung,
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return bad ? 1 : 0;
}

void take_only(const std::string& value, Settings& settings) {
  const std::size_t first = value.find('/');
  const std::size_t second = value.find('/', first + 1);
  if (second == std::string::npos) return;
  settings.only_step = value.substr(0, first);
  settings.only_shortage = value.substr(first + 1, second - first - 1);
  settings.only_n = std::max<std::uint64_t>(std::strtoull(&value[second + 1], nullptr, 10), 1);
}

}  // namespace

int main_of(int count, char** values) {
  Settings settings;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string option = values[i];
    const std::uint64_t value = std::strtoull(values[i + 1], nullptr, 10);
    if (option == "--seed") settings.seed = value;
    if (option == "--stride") settings.stride = std::max<std::uint64_t>(value, 1);
    if (option == "--only") take_only(values[i + 1], settings);
  }
  return run(settings);
}

}  // namespace springg::crash

int main(int count, char** values) { return springg::crash::main_of(count, values); }
