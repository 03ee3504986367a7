// SPDX-License-Identifier: MIT
// numpy arrays as the engine sees them, and the engine's memory as numpy sees it. Needs the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "springg/index.h"
#include "springg/types.h"

namespace springg::bindings {

namespace py = pybind11;

// Lets go of the last reference without the GIL: freeing may unmap gigabytes.
template <class T>
void drop(std::shared_ptr<T>& owner) {
  if (owner == nullptr || owner.use_count() > 1) return owner.reset();
  py::gil_scoped_release release;
  owner.reset();
}

inline bool is_native_float(const py::dtype& dtype) {
  return dtype.num() == py::detail::npy_api::NPY_FLOAT_ && dtype.byteorder() != '>';
}

// The array in place, when the engine can read it so: float32 of this machine, one or two
// dimensions, aligned, elements of a row side by side. One dimension is one row. Else none; the
// façade (_arrays.py) then converts. The view lives as long as the array.
inline std::optional<MatrixView> matrix_in_place(const py::array& array) {
  constexpr auto kFloatBytes = static_cast<py::ssize_t>(sizeof(float));
  const py::ssize_t dimensions_of_array = array.ndim();
  if (dimensions_of_array != 1 && dimensions_of_array != 2) return std::nullopt;
  if (!is_native_float(array.dtype())) return std::nullopt;
  if (reinterpret_cast<std::uintptr_t>(array.data()) % alignof(float) != 0) return std::nullopt;
  const py::ssize_t width = array.shape(dimensions_of_array - 1);
  const bool empty = array.size() == 0;  // numpy gives strides of zero
  if (!empty && width > 1 && array.strides(dimensions_of_array - 1) != kFloatBytes)
    return std::nullopt;
  MatrixView view;
  view.data = static_cast<const float*>(array.data());
  view.dimensions = static_cast<std::size_t>(width);
  view.rows = 1;
  view.row_stride = view.dimensions;
  if (dimensions_of_array == 1) return view;
  view.rows = static_cast<std::size_t>(array.shape(0));
  if (view.rows <= 1 || empty) return view;
  const py::ssize_t stride = array.strides(0);
  if (stride < width * kFloatBytes || stride % kFloatBytes != 0) return std::nullopt;
  view.row_stride = static_cast<std::size_t>(stride / kFloatBytes);
  return view;
}

// As above for an argument that the façade has converted already.
inline MatrixView matrix_of(const py::array& array) {
  if (auto view = matrix_in_place(array)) return *view;
  throw py::type_error("expected an aligned float32 array of one or two dimensions, got " +
                       std::to_string(array.ndim()) + " dimensions of " +
                       std::string(py::str(array.dtype())));
}

inline void forbid_writing(const py::array& array) {
  py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
}

// An array over `data`, which lives as long as `owner`. The array holds a reference.
template <class T>
py::array_t<T> array_over(const T* data, std::vector<py::ssize_t> shape, py::handle owner) {
  return py::array_t<T>(std::move(shape), data, owner);
}

// The vector's memory becomes the array's; nothing is copied.
template <class T>
py::array_t<T> array_of(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
  auto moved = std::make_unique<std::vector<T>>(std::move(values));
  const T* data = moved->data();
  const py::capsule owner(moved.release(),
                          [](void* vector) { delete static_cast<std::vector<T>*>(vector); });
  return py::array_t<T>(std::move(shape), data, owner);
}

inline py::dtype numpy_type(ScalarType type) {
  return py::dtype(type == ScalarType::kFloat16 ? "float16" : "float32");
}

// A read-only array over rows of the engine, which it keeps in memory (or mapped).
inline py::array array_over(VectorBlock&& block) {
  using Owner = std::shared_ptr<const void>;
  auto held = std::make_unique<Owner>(std::move(block.owner));
  const py::capsule owner(held.release(), [](void* pointer) {
    auto* shared = static_cast<Owner*>(pointer);
    drop(*shared);
    delete shared;
  });
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(block.rows),
                                       static_cast<py::ssize_t>(block.dimensions)};
  py::array array(numpy_type(block.dtype), shape, block.data, owner);
  forbid_writing(array);
  return array;
}

}  // namespace springg::bindings
