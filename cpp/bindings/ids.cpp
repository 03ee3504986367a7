// SPDX-License-Identifier: MIT
#include "ids.h"

#include <pybind11/gil_safe_call_once.h>
#include <pybind11/numpy.h>

#include <array>
#include <cstring>
#include <limits>
#include <string>

#include "errors.h"

namespace springg::bindings {

namespace {

struct UuidModule {
  py::object type;          // uuid.UUID
  py::object safe_unknown;  // uuid.SafeUUID.unknown
  py::str int_name{"int"};
  py::str is_safe_name{"is_safe"};
};

// Imported at the first need: `import springg` must not pay for it.
const UuidModule& uuid_module() {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<UuidModule> storage;
  return storage
      .call_once_and_store_result([] {
        const py::module_ module = py::module_::import("uuid");
        return UuidModule{module.attr("UUID"), module.attr("SafeUUID").attr("unknown")};
      })
      .get_stored();
}

std::string name_of(std::size_t row, bool single) {
  return single ? std::string("id") : "id of row " + std::to_string(row);
}

[[noreturn]] void out_of_range(std::size_t row, bool single, const std::string& got) {
  raise(invalid_argument(name_of(row, single) + " is out of range: expected 0.." +
                         std::to_string(std::numeric_limits<std::uint64_t>::max()) + ", got " + got)
            .with("row", static_cast<std::int64_t>(row)));
}

void append_integer(IdColumn& column, PyObject* number, std::size_t row, bool single) {
  const unsigned long long value = PyLong_AsUnsignedLongLong(number);
  if (value == static_cast<unsigned long long>(-1) && PyErr_Occurred()) {
    PyErr_Clear();
    out_of_range(row, single, std::string(py::str(py::handle(number))));
  }
  column.append_integer(value);
}

void append_text(IdColumn& column, PyObject* text, std::size_t row, bool single) {
  Py_ssize_t bytes = 0;
  const char* utf8 = PyUnicode_AsUTF8AndSize(text, &bytes);
  if (utf8 == nullptr) {
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) throw py::error_already_set();
    PyErr_Clear();
    raise(invalid_argument(
              name_of(row, single) + " is not valid unicode: expected no lone surrogates, got " +
              std::string(py::str(py::module_::import("builtins").attr("ascii")(py::handle(text)))))
              .with("row", static_cast<std::int64_t>(row)));
  }
  column.append_string({utf8, static_cast<std::size_t>(bytes)});
}

void append_uuid(IdColumn& column, PyObject* uuid) {
  const py::bytes bytes = py::handle(uuid).attr("bytes");
  std::array<std::uint8_t, 16> value{};
  std::memcpy(value.data(), PyBytes_AS_STRING(bytes.ptr()), value.size());
  column.append_uuid(value);
}

// False when `object` is no id at all; it may still be a sequence of them.
bool try_append(IdColumn& column, PyObject* object, std::size_t row, bool single) {
  if (PyUnicode_Check(object)) {
    append_text(column, object, row, single);
    return true;
  }
  if (PyBool_Check(object)) return false;
  if (PyLong_Check(object)) {
    append_integer(column, object, row, single);
    return true;
  }
  if (PyIndex_Check(object) && !py::isinstance<py::array>(object)) {
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object));
    if (!number) {  // numpy.bool_ has the slot, and refuses
      PyErr_Clear();
      return false;
    }
    append_integer(column, number.ptr(), row, single);
    return true;
  }
  if (PyObject_IsInstance(object, uuid_module().type.ptr()) == 1) {
    append_uuid(column, object);
    return true;
  }
  PyErr_Clear();
  return false;
}

void append_sequence(IdColumn& column, py::handle source) {
  // A tuple of its own, unless it is one: code run by __index__ cannot change what is walked.
  const auto items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(source.ptr()));
  if (!items) throw py::error_already_set();
  column.reserve(items.size());
  for (std::size_t row = 0; row < items.size(); ++row) {
    PyObject* item = PyTuple_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(row));
    if (try_append(column, item, row, false)) continue;
    throw py::type_error("id of row " + std::to_string(row) +
                         " must be a str, int or uuid.UUID, got " + Py_TYPE(item)->tp_name);
  }
}

void append_integer_array(IdColumn& column, const py::array& array) {
  column.reserve(static_cast<std::size_t>(array.shape(0)));
  if (array.dtype().kind() == 'u') {
    const auto values = py::array_t<std::uint64_t, py::array::forcecast>::ensure(array);
    if (!values) throw py::error_already_set();
    const auto view = values.unchecked<1>();
    for (py::ssize_t i = 0; i < view.shape(0); ++i) column.append_integer(view(i));
    return;
  }
  const auto values = py::array_t<std::int64_t, py::array::forcecast>::ensure(array);
  if (!values) throw py::error_already_set();
  const auto view = values.unchecked<1>();
  for (py::ssize_t i = 0; i < view.shape(0); ++i) {
    if (view(i) < 0) out_of_range(static_cast<std::size_t>(i), false, std::to_string(view(i)));
    column.append_integer(static_cast<std::uint64_t>(view(i)));
  }
}

Ids ids_of_array(const py::array& array) {
  Ids ids;
  if (array.ndim() == 0) return ids_of(array.attr("item")());
  if (array.ndim() != 1) {
    raise(invalid_argument("ids must have one dimension: expected shape (n,), got " +
                           std::to_string(array.ndim()) + " dimensions"));
  }
  switch (array.dtype().kind()) {
    case 'i':
    case 'u': append_integer_array(ids.column, array); break;
    case 'U':  // fixed-width and variable-width strings, and objects
    case 'T':
    case 'O': append_sequence(ids.column, array.attr("tolist")()); break;
    default:
      // No id of a type that numpy guessed for an empty list.
      if (array.shape(0) == 0 && array.dtype().kind() == 'f') break;
      throw py::type_error("ids must be integers, strings or UUIDs, got an array of " +
                           std::string(py::str(array.dtype())));
  }
  return ids;
}

}  // namespace

Ids ids_of(py::handle source) {
  Ids ids;
  if (py::isinstance<py::array>(source)) {
    return ids_of_array(py::reinterpret_borrow<py::array>(source));
  }
  if (PyList_Check(source.ptr()) || PyTuple_Check(source.ptr())) {
    append_sequence(ids.column, source);
    return ids;
  }
  if (try_append(ids.column, source.ptr(), 0, true)) {
    ids.single = true;
    return ids;
  }
  const bool iterable = Py_TYPE(source.ptr())->tp_iter != nullptr || PySequence_Check(source.ptr());
  if (!iterable || PyBytes_Check(source.ptr()) || PyByteArray_Check(source.ptr()) ||
      PyDict_Check(source.ptr())) {
    throw py::type_error(
        std::string("ids must be a str, int or uuid.UUID, or a sequence of them, got ") +
        Py_TYPE(source.ptr())->tp_name);
  }
  append_sequence(ids.column, source);
  return ids;
}

py::object python_id(const IdView& id) {
  switch (id.kind) {
    case IdKind::kInteger:
      return py::reinterpret_steal<py::object>(PyLong_FromUnsignedLongLong(id.integer()));
    case IdKind::kString: return text_of(id.bytes);
    case IdKind::kUuid: {
      // uuid.UUID(bytes=...) takes a microsecond; its two fields are set as its __init__ does.
      const UuidModule& module = uuid_module();
      auto* type = reinterpret_cast<PyTypeObject*>(module.type.ptr());
      auto uuid = py::reinterpret_steal<py::object>(type->tp_alloc(type, 0));
      const auto number = py::reinterpret_steal<py::object>(
          py::handle(reinterpret_cast<PyObject*>(&PyLong_Type))
              .attr("from_bytes")(py::bytes(id.bytes.data(), id.bytes.size()), "big")
              .release());
      if (!uuid || PyObject_GenericSetAttr(uuid.ptr(), module.int_name.ptr(), number.ptr()) != 0 ||
          PyObject_GenericSetAttr(uuid.ptr(), module.is_safe_name.ptr(),
                                  module.safe_unknown.ptr()) != 0) {
        throw py::error_already_set();
      }
      return uuid;
    }
  }
  return py::none();
}

py::list python_ids(const IdColumn& column, std::size_t begin, std::size_t count,
                    std::ptrdiff_t step) {
  auto list = py::reinterpret_steal<py::list>(PyList_New(static_cast<Py_ssize_t>(count)));
  if (!list) throw py::error_already_set();
  auto at = static_cast<std::ptrdiff_t>(begin);
  for (std::size_t i = 0; i < count; ++i, at += step) {
    py::object id = python_id(column[static_cast<std::size_t>(at)]);
    if (!id) throw py::error_already_set();
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), id.release().ptr());
  }
  return list;
}

}  // namespace springg::bindings
