// SPDX-License-Identifier: MIT
// Answers of a search. They are the engine's copies, so they pin nothing of the index; Python
// objects are made when an attribute is read.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "numpy_views.h"
#include "springg/index.h"

namespace springg::bindings {

namespace py = pybind11;

// Some hits of one query: `count` of them, the first at `first` of the query's columns and at
// `first_id` of the ids, `step` apart. `form` has no dimensions when vectors were not asked for.
struct QueryHits {
  std::shared_ptr<const SearchResult> result;
  std::size_t first = 0;
  std::size_t first_id = 0;
  std::size_t count = 0;
  std::ptrdiff_t step = 1;
  VectorForm form;
};

// All hits of a batch. `ends[i]` is the number of ids up to and with query i.
struct BatchResult {
  std::shared_ptr<const SearchResult> result;
  std::vector<std::size_t> ends;
  VectorForm form;
};

QueryHits hits_of_query(SearchResult&& result, const VectorForm& form);
BatchResult hits_of_batch(SearchResult&& result, const VectorForm& form);

// A Python object of `type`, which is QueryHits or a Python subclass of it.
py::object python_hits(py::handle type, QueryHits&& hits);

// Adds the type QueryHits: a plain CPython type, since a search makes one object of it, and a
// general one through pybind11 takes longer than the rest of a short call.
void bind_query_hits(py::module_& module);

// Adds search(rows, queries, k, ef, way, min_score, filter, include, threads, type) to the
// module, as a plain CPython function for the same reason.
void bind_search(py::module_& module);

inline constexpr unsigned kIncludeMetadata = 1;
inline constexpr unsigned kIncludeVectors = 2;

inline Include include_of(unsigned flags) {
  return {.metadata = (flags & kIncludeMetadata) != 0, .vectors = (flags & kIncludeVectors) != 0};
}

}  // namespace springg::bindings
