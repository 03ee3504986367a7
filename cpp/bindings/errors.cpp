// SPDX-License-Identifier: MIT
#include "errors.h"

#include <string>
#include <variant>

namespace springg::bindings {

py::str text_of(std::string_view utf8) {
  PyObject* text =
      PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), "backslashreplace");
  if (text == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(text);
}

void raise(const Status& status) {
  py::dict details;
  for (const ErrorDetail& detail : status.details()) {
    if (const auto* number = std::get_if<std::int64_t>(&detail.value)) {
      details[text_of(detail.key)] = *number;
    } else {
      details[text_of(detail.key)] = text_of(std::get<std::string>(detail.value));
    }
  }
  const py::object error = py::module_::import("springg.errors")
                               .attr("error_of")(text_of(to_string(status.code())),
                                                 text_of(status.message()), **details);
  PyErr_SetObject(py::type::handle_of(error).ptr(), error.ptr());
  throw py::error_already_set();
}

}  // namespace springg::bindings
