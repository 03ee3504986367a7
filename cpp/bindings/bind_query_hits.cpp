// SPDX-License-Identifier: MIT
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "documents.h"
#include "errors.h"
#include "ids.h"
#include "results.h"

namespace springg::bindings {

namespace {

struct HitsObject {
  PyObject_HEAD QueryHits hits;
};

QueryHits& hits_of(PyObject* self) { return reinterpret_cast<HitsObject*>(self)->hits; }

py::array_t<float> column_of(const QueryHits& hits, const std::vector<float>& values) {
  py::array_t<float> array(static_cast<py::ssize_t>(hits.count));
  float* out = array.mutable_data();
  auto at = static_cast<std::ptrdiff_t>(hits.first);
  for (std::size_t i = 0; i < hits.count; ++i, at += hits.step) {
    out[i] = values[static_cast<std::size_t>(at)];
  }
  return array;
}

py::object vectors_of(const QueryHits& hits) {
  const SearchResult& result = *hits.result;
  const std::size_t width = hits.form.width();
  if (width == 0) return py::none();
  const bool bytes = hits.form.bytes();
  const std::size_t row_bytes = bytes ? width : width * sizeof(float);
  const std::byte* const from =
      bytes ? result.byte_vectors.data() : std::as_bytes(std::span(result.vectors)).data();
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(hits.count),
                                       static_cast<py::ssize_t>(width)};
  py::array array(numpy_type(bytes ? hits.form.dtype : ScalarType::kFloat32), shape);
  auto* out = static_cast<std::byte*>(array.mutable_data());
  auto at = static_cast<std::ptrdiff_t>(hits.first_id);
  for (std::size_t i = 0; i < hits.count; ++i, at += hits.step) {
    std::copy_n(from + static_cast<std::size_t>(at) * row_bytes, row_bytes, out + i * row_bytes);
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

py::object documents_of_hits(const QueryHits& hits) {
  if (!hits.result->metadata) return py::none();
  return python_documents(*hits.result->metadata, hits.first_id, hits.count, hits.step);
}

// The methods. Each is called with the object as `self`.

PyObject* make_ids(PyObject* self, PyObject* /*none*/) {
  return guarded([&] {
    const QueryHits& hits = hits_of(self);
    return python_ids(hits.result->ids, hits.first_id, hits.count, hits.step);
  });
}

PyObject* make_scores(PyObject* self, PyObject* /*none*/) {
  return guarded([&] { return column_of(hits_of(self), hits_of(self).result->scores); });
}

PyObject* make_distances(PyObject* self, PyObject* /*none*/) {
  return guarded([&] { return column_of(hits_of(self), hits_of(self).result->distances); });
}

PyObject* make_documents(PyObject* self, PyObject* /*none*/) {
  return guarded([&] { return documents_of_hits(hits_of(self)); });
}

PyObject* make_vectors(PyObject* self, PyObject* /*none*/) {
  return guarded([&] { return vectors_of(hits_of(self)); });
}

PyObject* select_hits(PyObject* self, PyObject* arguments) {
  Py_ssize_t start = 0;
  Py_ssize_t step = 0;
  Py_ssize_t count = 0;
  if (PyArg_ParseTuple(arguments, "nnn", &start, &step, &count) == 0) return nullptr;
  return guarded([&] {
    return python_hits(py::type::handle_of(self),
                       select(hits_of(self), start, step, static_cast<std::size_t>(count)));
  });
}

PyObject* distances_computed(PyObject* self, void* /*closure*/) {
  return PyLong_FromUnsignedLongLong(hits_of(self).result->distances_computed);
}

Py_ssize_t length(PyObject* self) { return static_cast<Py_ssize_t>(hits_of(self).count); }

PyObject* refuse_new(PyTypeObject* type, PyObject* /*arguments*/, PyObject* /*keywords*/) {
  PyErr_Format(PyExc_TypeError, "%s is made by Index.search alone", type->tp_name);
  return nullptr;
}

void destroy(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  hits_of(self).~QueryHits();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef kMethods[] = {
    {"_make_ids", make_ids, METH_NOARGS, "_make_ids($self, /)\n--\n\nIds, best first."},
    {"_make_scores", make_scores, METH_NOARGS, "_make_scores($self, /)\n--\n\nScores."},
    {"_make_distances", make_distances, METH_NOARGS, "_make_distances($self, /)\n--\n\nDistances."},
    {"_make_documents", make_documents, METH_NOARGS,
     "_make_documents($self, /)\n--\n\nMetadata as JSON text; None when not asked for."},
    {"_make_vectors", make_vectors, METH_NOARGS,
     "_make_vectors($self, /)\n--\n\nVectors; None when not asked for."},
    {"_select", select_hits, METH_VARARGS,
     "_select($self, start, step, count, /)\n--\n\nSome of the hits."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef kProperties[] = {
    {"distances_computed", distances_computed, nullptr,
     "Distances that the search computed, a measure of its work.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot kSlots[] = {{Py_tp_doc, const_cast<char*>("Hits of one query.")},
                        {Py_tp_new, reinterpret_cast<void*>(refuse_new)},
                        {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                        {Py_tp_methods, kMethods},
                        {Py_tp_getset, kProperties},
                        {Py_sq_length, reinterpret_cast<void*>(length)},
                        {0, nullptr}};

// The type, once the module has it.
PyTypeObject* query_hits_type = nullptr;

PyType_Spec kSpec = {"springg._core.QueryHits", sizeof(HitsObject), 0,
                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, kSlots};

}  // namespace

QueryHits hits_of_query(SearchResult&& result, const VectorForm& form) {
  auto shared = std::make_shared<const SearchResult>(std::move(result));
  const std::size_t count = shared->counts.empty() ? 0 : shared->counts.front();
  return {.result = std::move(shared), .count = count, .form = form};
}

py::object python_hits(py::handle type, QueryHits&& hits) {
  auto* python_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  if (PyType_Check(type.ptr()) == 0 || PyType_IsSubtype(python_type, query_hits_type) == 0) {
    throw py::type_error("expected the type QueryHits or a subclass of it");
  }
  PyObject* self = python_type->tp_alloc(python_type, 0);
  if (self == nullptr) throw py::error_already_set();
  new (&hits_of(self)) QueryHits(std::move(hits));
  return py::reinterpret_steal<py::object>(self);
}

void bind_query_hits(py::module_& module) {
  PyObject* type = PyType_FromSpec(&kSpec);
  if (type == nullptr) throw py::error_already_set();
  query_hits_type = reinterpret_cast<PyTypeObject*>(type);
  module.attr("QueryHits") = py::reinterpret_steal<py::object>(type);
}

}  // namespace springg::bindings
