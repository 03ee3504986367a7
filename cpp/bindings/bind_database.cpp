// SPDX-License-Identifier: MIT
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <condition_variable>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "arguments.h"
#include "errors.h"
#include "handles.h"
#include "progress.h"
#include "springg/database.h"
#include "springg/maintenance.h"

namespace springg::bindings {

namespace {

// Databases that were dropped without close() are closed on a thread of their own, since closing
// flushes, and a garbage collector must not wait for a disk. The exit handler waits for them.
class Closings {
 public:
  void begin(std::shared_ptr<Database> database) {
    {
      const std::lock_guard lock(mutex_);
      ++running_;
    }
    try {
      std::thread([this, database]() mutable {
        static_cast<void>(database->close());
        database.reset();
        end();
      }).detach();
    } catch (const std::system_error&) {  // no thread to be had
      static_cast<void>(database->close());
      end();
    }
  }

  // False when there was nothing to wait for.
  bool wait() {
    std::unique_lock lock(mutex_);
    if (running_ == 0) return false;
    none_.wait(lock, [this] { return running_ == 0; });
    return true;
  }

 private:
  void end() {
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) none_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable none_;
  std::size_t running_ = 0;
};

// Those of this process: a forked child has none of its parent's threads. Never destroyed, since a
// detached thread may end after the statics of this module. Needs the GIL.
Closings& closings() {
  static Closings* of_process = nullptr;
  static pid_t process = 0;
  if (of_process == nullptr || process != getpid()) {
    of_process = new Closings;
    process = getpid();
  }
  return *of_process;
}

struct DatabaseHandle {
  explicit DatabaseHandle(std::shared_ptr<Database> opened) : database(std::move(opened)) {}
  DatabaseHandle(DatabaseHandle&&) noexcept = default;
  DatabaseHandle& operator=(DatabaseHandle&&) = delete;
  DatabaseHandle(const DatabaseHandle&) = delete;
  DatabaseHandle& operator=(const DatabaseHandle&) = delete;
  ~DatabaseHandle() {
    if (!database.of_this_process()) return;
    std::shared_ptr<Database> last = database.take();
    if (last != nullptr && !last->closed()) {
      closings().begin(std::move(last));
    } else {
      drop(last);
    }
  }

  Held<Database> database;
};

DatabaseHandle open_database(const py::bytes& path, const py::object& threads,
                             const py::object& memory_limit, const std::string& durability,
                             bool read_only) {
  DatabaseOptions options;
  options.read_only = read_only;
  options.durability = take(parse_durability(durability));
  options.threads =
      static_cast<unsigned>(unsigned_of(threads, "threads", std::numeric_limits<unsigned>::max()));
  if (!memory_limit.is_none()) {
    options.memory_limit_bytes =
        unsigned_of(memory_limit, "memory_limit", std::numeric_limits<std::int64_t>::max());
  }
  const std::string text = path;
  Closings& running = closings();
  return DatabaseHandle(without_gil([&] {
    auto opened = Database::open(text, options);
    // A handle that was dropped counts until its thread gets to it. Whoever dropped it expects it
    // to be gone.
    const bool refused = opened.status().code() == ErrorCode::kFailedPrecondition;
    return refused && running.wait() ? Database::open(text, options) : std::move(opened);
  }));
}

std::size_t size_of(const py::object& value, const char* name) {
  return unsigned_of(value, name, std::numeric_limits<std::int64_t>::max());
}

IndexHandle create_index(DatabaseHandle& self, const std::string& name,
                         const py::object& dimensions, const std::string& metric,
                         const std::string& dtype, const std::string& quantization,
                         const py::object& m, const py::object& ef_construction,
                         const py::object& seed, bool exist_ok) {
  IndexOptions options;
  options.dimensions = size_of(dimensions, "dimensions");
  options.metric = take(parse_metric(metric));
  options.dtype = take(parse_scalar_type(dtype));
  options.quantization = take(parse_quantization(quantization));
  options.m = size_of(m, "m");
  options.ef_construction = size_of(ef_construction, "ef_construction");
  options.seed = unsigned_of(seed, "seed", std::numeric_limits<std::uint64_t>::max());
  return IndexHandle{Held<Index>(
      without_gil([&] { return self.database->create_index(name, options, exist_ok); }))};
}

py::object path_text(const std::string& path) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<Py_ssize_t>(path.size())));
}

py::object python_path(const DatabaseHandle& self) { return path_text(self.database->path()); }

py::tuple tuple_of(const SnapshotInfo& info) {
  return py::make_tuple(path_text(info.path), info.lsn, info.generation, info.rows, info.bytes,
                        info.linked);
}

template <class T>
py::object or_none(const std::optional<T>& value) {
  return value.has_value() ? py::cast(*value) : py::object(py::none());
}

py::list paths_of(const std::vector<std::string>& names) {
  py::list list;
  for (const std::string& name : names) list.append(path_text(name));
  return list;
}

py::tuple tuple_of(const CheckReport& report) {
  py::list problems;
  for (const Problem& problem : report.problems) {
    problems.append(py::make_tuple(path_text(problem.file), or_none(problem.offset),
                                   text_of(problem.what), text_of(problem.index),
                                   or_none(problem.rows_lost)));
  }
  return py::make_tuple(problems, paths_of(report.unknown_files), paths_of(report.leftover_files),
                        report.repaired, paths_of(report.kept_files));
}

void bind_maintenance(py::module_& module, py::class_<DatabaseHandle>& database) {
  database
      .def("refresh",
           [](DatabaseHandle& self) { without_gil([&] { return self.database->refresh(); }); })
      .def(
          "snapshot",
          [](DatabaseHandle& self, const py::bytes& path) {
            const std::string text = path;
            return tuple_of(without_gil([&] { return self.database->snapshot(text); }));
          },
          py::arg("path"))
      .def(
          "check",
          [](const DatabaseHandle& self, bool repair) {
            return tuple_of(without_gil([&] { return self.database->check(repair); }));
          },
          py::arg("repair"));
  module.def(
      "restore",
      [](const py::bytes& snapshot, const py::bytes& path) {
        const std::string from = snapshot;
        const std::string to = path;
        without_gil([&] { return springg::restore(from, to); });
      },
      py::arg("snapshot"), py::arg("path"), "Makes a database of a snapshot.");
  module.def(
      "check",
      [](const py::bytes& path, bool repair) {
        const std::string text = path;
        return tuple_of(without_gil([&] { return springg::check(text, repair); }));
      },
      py::arg("path"), py::arg("repair"), "Verifies a directory, or repairs it.");
}

}  // namespace

void bind_database(py::module_& module) {
  py::class_<DatabaseHandle> database(module, "Database", plain_class(),
                                      "A directory of indexes, or memory alone.");
  database
      .def_static("open", &open_database, py::arg("path"), py::arg("threads"),
                  py::arg("memory_limit"), py::arg("durability"), py::arg("read_only"))
      .def_property_readonly("path", &python_path)
      .def_property_readonly("closed",
                             [](const DatabaseHandle& self) { return self.database->closed(); })
      .def("create_index", &create_index, py::arg("name"), py::arg("dimensions"), py::arg("metric"),
           py::arg("dtype"), py::arg("quantization"), py::arg("m"), py::arg("ef_construction"),
           py::arg("seed"), py::arg("exist_ok"))
      .def(
          "index",
          [](const DatabaseHandle& self, const std::string& name) {
            return IndexHandle{
                Held<Index>(without_gil([&] { return self.database->index(name); }))};
          },
          py::arg("name"))
      .def("index_names",
           [](const DatabaseHandle& self) {
             return without_gil([&] { return self.database->index_names(); });
           })
      .def(
          "drop_index",
          [](DatabaseHandle& self, const std::string& name) {
            without_gil([&] { return self.database->drop_index(name); });
          },
          py::arg("name"))
      .def(
          "rename_index",
          [](DatabaseHandle& self, const std::string& from, const std::string& to) {
            without_gil([&] { return self.database->rename_index(from, to); });
          },
          py::arg("old"), py::arg("new"))
      .def("flush",
           [](DatabaseHandle& self) { without_gil([&] { return self.database->flush(); }); })
      .def("sync", [](DatabaseHandle& self) { without_gil([&] { return self.database->sync(); }); })
      .def("stats",
           [](const DatabaseHandle& self) {
             const auto counts = without_gil([&] { return self.database->stats(); });
             const std::string error =
                 without_gil([&] { return self.database->background_error(); });
             py::dict facts;
             for (const auto& [name, count] : counts) facts[py::str(name)] = count;
             facts["background_error"] =
                 error.empty() ? py::object(py::none()) : py::object(text_of(error));
             return facts;
           })
      .def("memory_usage",
           [](const DatabaseHandle& self) {
             return without_gil([&] { return self.database->memory_usage(); });
           })
      .def("close",
           [](DatabaseHandle& self) { without_gil([&] { return self.database->close(); }); });
  bind_maintenance(module, database);
  module.def(
      "wait_for_closings",
      [] {
        Closings& running = closings();
        const py::gil_scoped_release release;
        running.wait();
      },
      "Waits until the databases that were dropped without close() are closed.");
}

}  // namespace springg::bindings
