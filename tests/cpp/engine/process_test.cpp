// SPDX-License-Identifier: MIT
// Forks and second processes. A child reports by its exit status and leaves with _exit: what Catch
// and the parent's other objects would do at exit is none of its business.
#include "engine/support.h"

#include <sys/wait.h>

#include <fstream>

namespace springg::test {

namespace {

// Runs `body` in a child; the number it returns, or 100 when it did not end by itself in time.
template <class Body>
int in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // a deadlock ends as a signal
    ::_exit(body());
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

}  // namespace

TEST_CASE("a second process is refused and told who holds the directory") {
  const TemporaryDirectory directory;
  const auto database = require_value(Database::open(directory.path(), two_threads()));
  const std::string pid = std::to_string(::getpid());
  CHECK(in_child([&] {
          const Status status = Database::open(directory.path(), two_threads()).status();
          if (status.code() != ErrorCode::kFailedPrecondition) return 1;
          return status.message().find(pid) == std::string::npos ? 2 : 0;
        }) == 0);
  // The parent still holds it after the child has tried.
  CHECK(in_child([&] { return Database::open(directory.path(), two_threads()).ok() ? 1 : 0; }) ==
        0);
  require_ok(database->close());
  CHECK(in_child([&] { return Database::open(directory.path(), two_threads()).ok() ? 0 : 1; }) ==
        0);
}

TEST_CASE("in a forked child every call is refused and every destructor returns") {
  const TemporaryDirectory directory;
  auto database = require_value(Database::open(directory.path(), two_threads()));
  auto index = make_index(*database, 8);
  const Rows rows = random_rows(5000, 8);
  require_value(index->add(numbers(0, 5000), rows.all(), nullptr, nullptr));
  // Threads are running: the pool's and the builder's.
  SearchOptions exact;
  exact.exact = true;
  require_value(index->search(rows.view(0, 100), exact, nullptr));
  const std::string expected =
      "opened in process " + std::to_string(::getpid()) + "; open it again here";
  CHECK(in_child([&] {
          if (index->rows().status().message() != expected) return 1;
          if (index->search(rows.view(0, 1), exact, nullptr).status().message() != expected) {
            return 2;
          }
          if (database->flush().message() != expected) return 3;
          if (database->close().message() != expected) return 4;
          if (index->remove(numbers(0, 1)).status().message() != expected) return 5;
          index.reset();
          database.reset();
          return 0;
        }) == 0);
  CHECK(row_count(*index) == 5000);
  require_ok(database->close());
}

TEST_CASE("a forked child can open a database of its own") {
  const auto database = open_memory();
  const auto index = make_index(*database, 4);
  const TemporaryDirectory directory;
  CHECK(in_child([&] {
          const auto own = Database::open(directory.path(), two_threads());
          if (!own.ok()) return 1;
          IndexOptions options;
          options.dimensions = 4;
          const auto made = own.value()->create_index("own", options, false);
          if (!made.ok()) return 2;
          if (!made.value()->add(numbers(0, 3), random_rows(3, 4).all(), nullptr, nullptr).ok()) {
            return 3;
          }
          return own.value()->close().ok() ? 0 : 4;
        }) == 0);
  const auto database_after = require_value(Database::open(directory.path(), two_threads()));
  CHECK(row_count(*require_value(database_after->index("own"))) == 3);
}

TEST_CASE("a directory that cannot be written gives a clear error") {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/file";
  { std::ofstream(file) << "x"; }
  const Status status = Database::open(file + "/below", two_threads()).status();
  CHECK_FALSE(status.ok());
  CHECK(status.message().find(file) != std::string::npos);
  require_error(Database::open("", two_threads()).status(), ErrorCode::kInvalidArgument,
                "path is empty: expected a directory or ':memory:'");
}

}  // namespace springg::test
