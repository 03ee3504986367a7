// SPDX-License-Identifier: MIT
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <limits>
#include <string>

#include "errors.h"
#include "ids.h"
#include "numpy_views.h"
#include "results.h"

namespace springg::bindings {

namespace {

QueryHits query_of(const BatchResult& batch, std::size_t i) {
  if (i >= batch.ends.size()) throw py::index_error("query out of range");
  return {.result = batch.result,
          .first = i * batch.result->k,
          .first_id = i == 0 ? 0 : batch.ends[i - 1],
          .count = batch.result->counts[i],
          .form = batch.form};
}

py::list ids_of_queries(const BatchResult& batch) {
  py::list queries(batch.ends.size());
  std::size_t begin = 0;
  for (std::size_t i = 0; i < batch.ends.size(); ++i) {
    queries[i] = python_ids(batch.result->ids, begin, batch.ends[i] - begin);
    begin = batch.ends[i];
  }
  return queries;
}

std::vector<py::ssize_t> shape_of(const SearchResult& result) {
  return {static_cast<py::ssize_t>(result.queries), static_cast<py::ssize_t>(result.k)};
}

py::array_t<std::uint64_t> keys_of(const BatchResult& batch) {
  const SearchResult& result = *batch.result;
  if (!result.ids.all_integers()) {
    raise(invalid_argument(
        "keys needs integer ids: expected every id of the hits to be an int, got others; use ids"));
  }
  py::array_t<std::uint64_t> keys(shape_of(result));
  std::uint64_t* out = keys.mutable_data();
  std::fill_n(out, result.queries * result.k, std::numeric_limits<std::uint64_t>::max());
  const std::uint64_t* next = result.ids.integers().data();
  for (std::size_t i = 0; i < result.queries; ++i) {
    std::copy_n(next, result.counts[i], out + i * result.k);
    next += result.counts[i];
  }
  return keys;
}

}  // namespace

BatchResult hits_of_batch(SearchResult&& result, const VectorForm& form) {
  BatchResult batch;
  batch.form = form;
  batch.ends.reserve(result.counts.size());
  std::size_t end = 0;
  for (const std::uint32_t count : result.counts) batch.ends.push_back(end += count);
  batch.result = std::make_shared<const SearchResult>(std::move(result));
  return batch;
}

void bind_results(py::module_& module) {
  py::class_<BatchResult>(module, "BatchResult", plain_class(), "Hits of many queries.")
      .def("__len__", [](const BatchResult& batch) { return batch.ends.size(); })
      .def("ids", &ids_of_queries)
      .def("scores",
           [](const py::object& self) {
             const auto& result = *self.cast<const BatchResult&>().result;
             return array_over(result.scores.data(), shape_of(result), self);
           })
      .def("distances",
           [](const py::object& self) {
             const auto& result = *self.cast<const BatchResult&>().result;
             return array_over(result.distances.data(), shape_of(result), self);
           })
      .def("counts",
           [](const BatchResult& batch) {
             const auto& counts = batch.result->counts;
             py::array_t<std::int64_t> array(static_cast<py::ssize_t>(counts.size()));
             std::copy(counts.begin(), counts.end(), array.mutable_data());
             return array;
           })
      .def("keys", &keys_of)
      .def(
          "query",
          [](const BatchResult& batch, std::size_t i, const py::object& type) {
            return python_hits(type, query_of(batch, i));
          },
          py::arg("i"), py::arg("kind"))
      .def_property_readonly("distances_computed", [](const BatchResult& batch) {
        return batch.result->distances_computed;
      });
}

}  // namespace springg::bindings
