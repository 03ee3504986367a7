// SPDX-License-Identifier: MIT
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <limits>
#include <string>

#include "documents.h"
#include "errors.h"
#include "ids.h"
#include "numpy_views.h"
#include "results.h"

namespace springg::bindings {

namespace {

py::array_t<float> column_of(const QueryHits& hits, const std::vector<float>& values) {
  py::array_t<float> array(static_cast<py::ssize_t>(hits.count));
  float* out = array.mutable_data();
  auto at = static_cast<std::ptrdiff_t>(hits.first);
  for (std::size_t i = 0; i < hits.count; ++i, at += hits.step) {
    out[i] = values[static_cast<std::size_t>(at)];
  }
  return array;
}

std::size_t width_of_vectors(const SearchResult& result) {
  return result.ids.empty() ? 0 : result.vectors.size() / result.ids.size();
}

py::object vectors_of(const QueryHits& hits) {
  const SearchResult& result = *hits.result;
  if (result.vectors.empty()) return py::none();
  const std::size_t width = width_of_vectors(result);
  py::array_t<float> array({hits.count, width});
  float* out = array.mutable_data();
  auto at = static_cast<std::ptrdiff_t>(hits.first_id);
  for (std::size_t i = 0; i < hits.count; ++i, at += hits.step) {
    std::copy_n(result.vectors.data() + static_cast<std::size_t>(at) * width, width,
                out + i * width);
  }
  return array;
}

QueryHits select(const QueryHits& hits, std::ptrdiff_t start, std::ptrdiff_t step,
                 std::size_t count) {
  const auto last = start + step * (static_cast<std::ptrdiff_t>(count) - 1);
  const auto size = static_cast<std::ptrdiff_t>(hits.count);
  if (count > 0 && (start < 0 || start >= size || last < 0 || last >= size)) {
    throw py::index_error("hit out of range");
  }
  QueryHits selected = hits;
  selected.first =
      static_cast<std::size_t>(static_cast<std::ptrdiff_t>(hits.first) + start * hits.step);
  selected.first_id =
      static_cast<std::size_t>(static_cast<std::ptrdiff_t>(hits.first_id) + start * hits.step);
  selected.count = count;
  selected.step = hits.step * step;
  return selected;
}

QueryHits query_of(const BatchResult& batch, std::size_t i) {
  if (i >= batch.ends.size()) throw py::index_error("query out of range");
  return {batch.result, i * batch.result->k, i == 0 ? 0 : batch.ends[i - 1],
          batch.result->counts[i], 1};
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

QueryHits hits_of_query(SearchResult&& result) {
  auto shared = std::make_shared<const SearchResult>(std::move(result));
  const std::size_t count = shared->counts.empty() ? 0 : shared->counts.front();
  return {std::move(shared), 0, 0, count, 1};
}

BatchResult hits_of_batch(SearchResult&& result) {
  BatchResult batch;
  batch.ends.reserve(result.counts.size());
  std::size_t end = 0;
  for (const std::uint32_t count : result.counts) batch.ends.push_back(end += count);
  batch.result = std::make_shared<const SearchResult>(std::move(result));
  return batch;
}

void bind_results(py::module_& module) {
  py::class_<QueryHits>(module, "QueryHits", plain_class(), "Hits of one query.")
      .def("__len__", [](const QueryHits& hits) { return hits.count; })
      .def("ids",
           [](const QueryHits& hits) {
             return python_ids(hits.result->ids, hits.first_id, hits.count, hits.step);
           })
      .def("scores", [](const QueryHits& hits) { return column_of(hits, hits.result->scores); })
      .def("distances",
           [](const QueryHits& hits) { return column_of(hits, hits.result->distances); })
      .def("documents",
           [](const QueryHits& hits) -> py::object {
             if (!hits.result->metadata) return py::none();
             return python_documents(*hits.result->metadata, hits.first_id, hits.count, hits.step);
           })
      .def("vectors", &vectors_of)
      .def("select", &select, py::arg("start"), py::arg("step"), py::arg("count"))
      .def_property_readonly("distances_computed",
                             [](const QueryHits& hits) { return hits.result->distances_computed; });
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
      .def("query", &query_of, py::arg("i"))
      .def_property_readonly("distances_computed", [](const BatchResult& batch) {
        return batch.result->distances_computed;
      });
}

}  // namespace springg::bindings
