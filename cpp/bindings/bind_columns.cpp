// SPDX-License-Identifier: MIT
// Columns of ids and of metadata on their way into a call.
#include <pybind11/pybind11.h>

#include "documents.h"
#include "errors.h"
#include "ids.h"

namespace springg::bindings {

void bind_columns(py::module_& module) {
  py::class_<Ids>(module, "Ids", plain_class(), "Ids of one call.")
      .def(py::init([](const py::object& source) { return ids_of(source); }), py::arg("source"))
      .def_readonly("single", &Ids::single, "One id was given, and no sequence.")
      .def("__len__", [](const Ids& ids) { return ids.column.size(); })
      .def("to_list", [](const Ids& ids) { return python_ids(ids.column, 0, ids.column.size()); });
  py::class_<MetadataColumn>(module, "Documents", plain_class(),
                             "Metadata of one call, as JSON text.")
      .def(py::init([](const py::sequence& rows) { return documents_of(rows); }), py::arg("rows"))
      .def("__len__", &MetadataColumn::size)
      .def("to_list",
           [](const MetadataColumn& column) { return python_documents(column, 0, column.size()); });
}

}  // namespace springg::bindings
