// SPDX-License-Identifier: MIT
// Ids between Python and C++. Needs the GIL.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

#include "springg/types.h"

namespace springg::bindings {

namespace py = pybind11;

// Ids of one call, as C++ keeps them. `single` when the caller gave one id and no sequence.
struct Ids {
  IdColumn column;
  bool single = false;
};

// From one str, int or uuid.UUID; from a numpy array of integers or strings; from a sequence or
// iterable of str, int and UUID in any mixture. TypeError names the row that is none of these (a
// bool is none); InvalidArgument the integer outside 64 bits or the lone surrogate.
Ids ids_of(py::handle source);

// The Python object that the id was: int, str or uuid.UUID.
py::object python_id(const IdView& id);

// Ids begin, begin + step, ... (`count` of them).
py::list python_ids(const IdColumn& column, std::size_t begin, std::size_t count,
                    std::ptrdiff_t step = 1);

}  // namespace springg::bindings
