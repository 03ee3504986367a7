// SPDX-License-Identifier: MIT
#include "documents.h"

#include <pybind11/gil_safe_call_once.h>
#include <pybind11/numpy.h>

#include <cmath>
#include <string>
#include <string_view>

#include "errors.h"
#include "springg/options.h"

namespace springg::bindings {

namespace {

const py::object& numpy_scalar_type() {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> storage;
  return storage
      .call_once_and_store_result([] { return py::module_::import("numpy").attr("generic"); })
      .get_stored();
}

const py::object& mapping_type() {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> storage;
  return storage
      .call_once_and_store_result(
          [] { return py::module_::import("collections.abc").attr("Mapping"); })
      .get_stored();
}

// Writes one row's object. json.dumps would turn the keys 1, None and 1.5 into strings without a
// word, so that what comes back is not what was given; this refuses them.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void row(py::handle source, std::size_t row) {
    row_ = row;
    field_ = py::handle();
    object(mapping_of(source), 1);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    std::string where = "metadata of row " + std::to_string(row_);
    if (field_) {
      where +=
          ", field " + std::string(py::str(py::module_::import("builtins").attr("ascii")(field_)));
    }
    raise(invalid_argument(where + ": " + problem).with("row", static_cast<std::int64_t>(row_)));
  }

  py::dict mapping_of(py::handle source) const {
    if (PyDict_Check(source.ptr())) return py::reinterpret_borrow<py::dict>(source);
    if (py::isinstance(source, mapping_type()))
      return py::dict(py::reinterpret_borrow<py::object>(source));
    fail(std::string("expected a dict or None, got ") + Py_TYPE(source.ptr())->tp_name);
  }

  void check_depth(std::size_t depth) const {
    if (depth <= limits::kMetadataDepthMax) return;
    fail("nested too deep: expected at most " + std::to_string(limits::kMetadataDepthMax) +
         " levels, got more");
  }

  void object(const py::dict& dict, std::size_t depth) {
    check_depth(depth);
    out_ += '{';
    bool first = true;
    for (const auto& [key, item] : dict) {
      if (!PyUnicode_Check(key.ptr())) {
        fail("keys must be str, got " + std::string(py::repr(key)) + " (" +
             Py_TYPE(key.ptr())->tp_name + ")");
      }
      if (depth == 1) field_ = key;
      if (!first) out_ += ',';
      first = false;
      text(key.ptr());
      out_ += ':';
      value(item, depth);
    }
    out_ += '}';
  }

  void value(py::handle item, std::size_t depth) {
    PyObject* object_ptr = item.ptr();
    if (PyUnicode_Check(object_ptr)) return text(object_ptr);
    if (object_ptr == Py_None) return append("null");
    if (object_ptr == Py_True) return append("true");
    if (object_ptr == Py_False) return append("false");
    if (PyLong_Check(object_ptr)) return integer(object_ptr);
    if (PyFloat_Check(object_ptr)) return real(PyFloat_AS_DOUBLE(object_ptr));
    if (PyDict_Check(object_ptr)) return object(py::reinterpret_borrow<py::dict>(item), depth + 1);
    if (PyList_Check(object_ptr) || PyTuple_Check(object_ptr)) return list(item, depth + 1);
    numpy_or_mapping(item, depth);
  }

  void numpy_or_mapping(py::handle item, std::size_t depth) {
    if (py::isinstance<py::array>(item)) {
      const auto array = py::reinterpret_borrow<py::array>(item);
      check_time_free(array.dtype());
      return value(array.attr("tolist")(), depth);
    }
    if (py::isinstance(item, numpy_scalar_type())) {
      check_time_free(item.attr("dtype"));
      const py::object plain = item.attr("item")();
      if (!py::isinstance(plain, numpy_scalar_type())) return value(plain, depth);
    } else if (py::isinstance(item, mapping_type())) {
      return object(py::dict(py::reinterpret_borrow<py::object>(item)), depth + 1);
    }
    fail(std::string("json cannot hold a ") + Py_TYPE(item.ptr())->tp_name +
         "; expected str, int, float, bool, None, dict or list");
  }

  // numpy gives times as plain integers of a unit that JSON would forget.
  void check_time_free(const py::object& dtype) const {
    const auto kind = dtype.attr("kind").cast<std::string>();
    if (kind == "M" || kind == "m") {
      fail("json cannot hold a " + std::string(py::str(dtype)) +
           "; expected text or a number of your choice");
    }
  }

  void list(py::handle source, std::size_t depth) {
    check_depth(depth);
    const auto items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(source.ptr()));
    if (!items) throw py::error_already_set();
    out_ += '[';
    bool first = true;
    for (const py::handle item : items) {
      if (!first) out_ += ',';
      first = false;
      value(item, depth);
    }
    out_ += ']';
  }

  void integer(PyObject* number) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow == 0) {
      out_ += std::to_string(value);
      return;
    }
    const unsigned long long large = overflow > 0 ? PyLong_AsUnsignedLongLong(number) : 0;
    if (overflow < 0 || PyErr_Occurred()) {
      PyErr_Clear();
      const auto bits = py::handle(number).attr("bit_length")().cast<std::size_t>();
      fail("integer beyond 64 bits: expected -2^63..2^64-1, got one of " + std::to_string(bits) +
           " bits");
    }
    out_ += std::to_string(large);
  }

  void real(double number) {
    if (!std::isfinite(number)) {
      fail(std::string("json cannot hold ") + (std::isnan(number) ? "nan" : "inf") +
           "; expected a finite number or None");
    }
    char* digits = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, nullptr);
    if (digits == nullptr) throw std::bad_alloc();
    out_ += digits;
    PyMem_Free(digits);
  }

  void text(PyObject* source) {
    Py_ssize_t bytes = 0;
    const char* utf8 = PyUnicode_AsUTF8AndSize(source, &bytes);
    if (utf8 == nullptr) {
      if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) throw py::error_already_set();
      PyErr_Clear();
      fail("not valid unicode: expected no lone surrogates, got some");
    }
    out_ += '"';
    for (const char c : std::string_view(utf8, static_cast<std::size_t>(bytes))) character(c);
    out_ += '"';
  }

  void character(char c) {
    constexpr char kHex[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      append("\\u00");
      out_ += kHex[(c >> 4) & 0xf];
      out_ += kHex[c & 0xf];
    } else {
      out_ += c;
    }
  }

  void append(std::string_view literal) { out_ += literal; }

  std::string& out_;
  std::size_t row_ = 0;
  py::handle field_;  // key at the top of the row's object, for messages
};

}  // namespace

MetadataColumn documents_of(const py::sequence& rows) {
  // A tuple of its own: code run by an element cannot change what is walked.
  const py::tuple items(rows);
  MetadataColumn column;
  std::string json;
  Writer writer(json);
  for (std::size_t row = 0; row < items.size(); ++row) {
    const py::handle item = items[row];
    if (item.is_none()) {
      column.append_none();
      continue;
    }
    json.clear();
    writer.row(item, row);
    column.append(json);
  }
  return column;
}

py::list python_documents(const MetadataColumn& column, std::size_t begin, std::size_t count,
                          std::ptrdiff_t step) {
  auto list = py::reinterpret_steal<py::list>(PyList_New(static_cast<Py_ssize_t>(count)));
  if (!list) throw py::error_already_set();
  auto at = static_cast<std::ptrdiff_t>(begin);
  for (std::size_t i = 0; i < count; ++i, at += step) {
    const auto row = static_cast<std::size_t>(at);
    py::object text = column.has(row) ? py::object(text_of(column.text(row))) : py::none();
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), text.release().ptr());
  }
  return list;
}

}  // namespace springg::bindings
