// SPDX-License-Identifier: MIT
// What every bind_* needs: Status becomes a Python exception here and nowhere else. Every function
// needs the GIL.
#pragma once

#include <pybind11/pybind11.h>

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

}  // namespace springg::bindings
