// SPDX-License-Identifier: MIT
#include "arguments.h"

#include <string>

#include "errors.h"

namespace springg::bindings {

namespace {

[[noreturn]] void wrong_type(py::handle value, const char* name, const char* expected) {
  throw py::type_error(std::string(name) + " must be " + expected + ", got " +
                       Py_TYPE(value.ptr())->tp_name);
}

}  // namespace

std::uint64_t unsigned_of(py::handle value, const char* name, std::uint64_t max,
                          std::uint64_t min) {
  PyObject* object = value.ptr();
  py::object converted;
  if (!PyLong_CheckExact(object)) {
    if (PyBool_Check(object)) wrong_type(value, name, "an integer");
    converted = py::reinterpret_steal<py::object>(PyNumber_Index(object));
    if (!converted) {
      PyErr_Clear();
      wrong_type(value, name, "an integer");
    }
    object = converted.ptr();
  }
  const unsigned long long number = PyLong_AsUnsignedLongLong(object);
  const bool overflow = number == static_cast<unsigned long long>(-1) && PyErr_Occurred();
  if (overflow) PyErr_Clear();
  if (overflow || number < min || number > max) {
    raise(invalid_argument(std::string(name) + " out of range: expected " + std::to_string(min) +
                           ".." + std::to_string(max) + ", got " +
                           std::string(py::str(py::handle(object)))));
  }
  return number;
}

double real_of(py::handle value, const char* name) {
  if (PyFloat_CheckExact(value.ptr())) return PyFloat_AS_DOUBLE(value.ptr());
  if (PyUnicode_Check(value.ptr()) || PyBool_Check(value.ptr())) {
    wrong_type(value, name, "a number");
  }
  const double number = PyFloat_AsDouble(value.ptr());
  if (number == -1.0 && PyErr_Occurred()) {
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) throw py::error_already_set();
    PyErr_Clear();
    wrong_type(value, name, "a number");
  }
  return number;
}

}  // namespace springg::bindings
