// SPDX-License-Identifier: MIT
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <limits>
#include <string>

#include "arguments.h"
#include "errors.h"
#include "handles.h"
#include "ids.h"
#include "numpy_views.h"
#include "progress.h"
#include "results.h"

namespace springg::bindings {

namespace {

enum Argument {
  kRows,
  kQueries,
  kK,
  kEf,
  kWay,
  kMinScore,
  kFilter,
  kInclude,
  kRerank,
  kThreads,
  kType,
  kCount
};

std::size_t size_of(py::handle value, const char* name) {
  return unsigned_of(value, name, std::numeric_limits<std::int64_t>::max());
}

// `filter` is None, an `Ids`, or a mask: a C-contiguous bool array of one dimension.
void set_filter(py::handle filter, RowFilter& out) {
  if (filter.is_none()) return;
  if (!py::isinstance<py::array>(filter)) {
    out.ids = &filter.cast<const Ids&>().column;
    return;
  }
  const auto mask = py::reinterpret_borrow<py::array>(filter);
  out.mask = std::span(static_cast<const std::uint8_t*>(mask.data()),
                       static_cast<std::size_t>(mask.shape(0)));
}

// False and true are what `exact` says; 2 and 3 are FilteredWalk, for benchmarks.
void set_way(PyObject* way, SearchOptions& out) {
  if (way == Py_False) return;
  const std::uint64_t number = way == Py_True ? 1 : unsigned_of(way, "way", 3);
  out.exact = number == 1;
  if (number == 2) out.filter.walk = FilteredWalk::kTwoHop;
  if (number == 3) out.filter.walk = FilteredWalk::kPlain;
}

// 0 goes through, since the engine says why it will not do.
void set_rerank(PyObject* rerank, SearchOptions& out) {
  const bool zero = PyLong_CheckExact(rerank) && PyObject_Not(rerank) == 1;
  out.rerank = zero ? 0 : unsigned_of(rerank, "rerank", limits::kRerankMax, 1);
}

SearchOptions options_of(PyObject* const* arguments) {
  SearchOptions options;
  options.k = size_of(arguments[kK], "k");
  if (arguments[kEf] != Py_None) options.ef = unsigned_of(arguments[kEf], "ef", limits::kEfMax, 1);
  set_way(arguments[kWay], options);
  if (arguments[kMinScore] != Py_None) {
    options.min_score = real_of(arguments[kMinScore], "min_score");
  }
  set_filter(arguments[kFilter], options.filter);
  options.include = include_of(static_cast<unsigned>(size_of(arguments[kInclude], "include")));
  if (arguments[kRerank] != Py_None) set_rerank(arguments[kRerank], options);
  options.threads = static_cast<unsigned>(
      unsigned_of(arguments[kThreads], "threads", std::numeric_limits<unsigned>::max()));
  return options;
}

// `rows`: Index or IndexView, whose vectors are of this form.
template <class Rows>
py::object search_in(const Rows& rows, const MatrixView& queries, VectorForm form, bool batch,
                     PyObject* const* arguments) {
  const SearchOptions options = options_of(arguments);
  if (!options.include.vectors) form.dimensions = 0;
  if (!batch && !options.exact && !options.filter.active()) {
    // Microseconds of work: the plainest release of the GIL, and no signals.
    PyThreadState* thread = PyEval_SaveThread();
    Result<SearchResult> found = rows.search(queries, options, nullptr);
    PyEval_RestoreThread(thread);
    return python_hits(arguments[kType], hits_of_query(take(std::move(found)), form));
  }
  CallProgress progress{py::none()};
  SearchResult found =
      with_progress(progress, [&](Progress* p) { return rows.search(queries, options, p); });
  if (batch) return py::cast(hits_of_batch(std::move(found), form));
  return python_hits(arguments[kType], hits_of_query(std::move(found), form));
}

template <class Rows>
py::object search_if_in_place(const Rows& rows, const py::array& queries, const VectorForm& form,
                              PyObject* const* arguments) {
  const std::optional<MatrixView> view = matrix_in_place(queries, form);
  if (!view) return py::reinterpret_borrow<py::object>(Py_NotImplemented);
  return search_in(rows, *view, form, queries.ndim() == 2, arguments);
}

// Hits of one query are of the type that was passed: QueryHits, or the façade's subclass of it.
// NotImplemented when `queries` cannot be read in place: the façade converts and calls again.
py::object search(PyObject* const* arguments) {
  if (!py::isinstance<py::array>(py::handle(arguments[kQueries]))) {
    return py::reinterpret_borrow<py::object>(Py_NotImplemented);
  }
  const auto queries = py::reinterpret_borrow<py::array>(arguments[kQueries]);
  // Most are of an index: it is tried first, and an exception would take longer than a search.
  py::detail::make_caster<IndexHandle> handle;
  if (handle.load(arguments[kRows], false)) {
    const Index& index = *static_cast<IndexHandle&>(handle).index;
    return search_if_in_place(index, queries, form_of(index.options()), arguments);
  }
  const auto& pinned = py::handle(arguments[kRows]).cast<const ViewHandle&>();
  return search_if_in_place(*pinned.view, queries, pinned.form, arguments);
}

PyObject* search_function(PyObject* /*module*/, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&] {
    if (count != kCount) {
      throw py::type_error("search() takes " + std::to_string(kCount) + " arguments, got " +
                           std::to_string(count));
    }
    return search(arguments);
  });
}

PyMethodDef kSearchMethods[] = {
    {"search", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(search_function)),
     METH_FASTCALL,
     "search(rows, queries, k, ef, way, min_score, allowed, include, rerank, threads, kind, /)\n"
     "--\n\n"
     "`kind` of a 1-D, BatchResult of a 2-D array of float32 or of the index's bytes; "
     "NotImplemented for other queries."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void bind_search(py::module_& module) {
  if (PyModule_AddFunctions(module.ptr(), kSearchMethods) != 0) throw py::error_already_set();
}

}  // namespace springg::bindings
