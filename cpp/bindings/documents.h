// SPDX-License-Identifier: MIT
// Metadata between Python objects and JSON text. Needs the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

#include "springg/types.h"

namespace springg::bindings {

namespace py = pybind11;

// One dict (or other mapping with string keys) or None a row. InvalidArgument names the row and
// the field that JSON cannot hold as given: a NaN, an integer beyond 64 bits, a key that is no
// string, a lone surrogate, more than 64 levels, an object of another type. numpy scalars and
// arrays become numbers and lists, tuples become lists.
MetadataColumn documents_of(const py::sequence& rows);

// JSON text, or None, of documents begin, begin + step, ... (`count` of them).
py::list python_documents(const MetadataColumn& column, std::size_t begin, std::size_t count,
                          std::ptrdiff_t step = 1);

}  // namespace springg::bindings
