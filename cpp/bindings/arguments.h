// SPDX-License-Identifier: MIT
// Python numbers as C++ numbers: the wrong type is TypeError, a value out of range InvalidArgument.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>

namespace springg::bindings {

namespace py = pybind11;

// An int or anything with __index__ (numpy integers), but no bool, within [min, max].
// `name` is used in messages.
std::uint64_t unsigned_of(py::handle value, const char* name, std::uint64_t max,
                          std::uint64_t min = 0);

// A real number (int, float, numpy scalar), finite or not.
double real_of(py::handle value, const char* name);

}  // namespace springg::bindings
