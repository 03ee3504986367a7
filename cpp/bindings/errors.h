// SPDX-License-Identifier: MIT
// What every bind_* needs: Status becomes a Python exception here and nowhere else. Every function
// needs the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <new>
#include <string_view>
#include <utility>

#include "springg/status.h"

namespace springg::bindings {

namespace py = pybind11;

// Throws the springg.errors class of the status's code, as a Python error.
[[noreturn]] void raise(const Status& status);

// UTF-8 as str; bytes that are not UTF-8 (file names in messages) are shown as \xNN.
py::str text_of(std::string_view utf8);

// Classes of type `type`, and not of pybind11's own, which a stub cannot name.
inline py::metaclass plain_class() {
  return py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type));
}

inline void check(const Status& status) {
  if (!status.ok()) raise(status);
}

template <class T>
T take(Result<T>&& result) {
  if (!result.ok()) raise(result.status());
  return std::move(result).value();
}

// What a plain CPython function returns: the object that `work` makes, or null with the error set.
template <class Work>
PyObject* guarded(Work&& work) noexcept {
  try {
    return py::object(work()).release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

}  // namespace springg::bindings
