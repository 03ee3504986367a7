// SPDX-License-Identifier: MIT
// numpy arrays as the engine sees them, and the engine's memory as numpy sees it. Needs the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
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

// How the vectors of an index look to numpy.
struct VectorForm {
  ScalarType dtype = ScalarType::kFloat32;
  std::size_t dimensions = 0;

  // Elements of a row: bytes for kBinary.
  std::size_t width() const noexcept {
    return dtype == ScalarType::kBinary ? vector_bytes(dtype, dimensions) : dimensions;
  }
  bool bytes() const noexcept {
    return dtype != ScalarType::kFloat32 && dtype != ScalarType::kFloat16;
  }
};

inline VectorForm form_of(const IndexOptions& options) {
  return {options.dtype, options.dimensions};
}

// What an array of this type is to an index of `form`: float32 or the index's own bytes. Else none.
inline std::optional<ScalarType> type_in_place(const py::dtype& dtype, const VectorForm& form) {
  using Npy = py::detail::npy_api;
  if (dtype.num() == Npy::NPY_FLOAT_ && dtype.byteorder() != '>' &&
      form.dtype != ScalarType::kBinary) {
    return ScalarType::kFloat32;
  }
  if (!form.bytes()) return std::nullopt;
  const int own = form.dtype == ScalarType::kInt8 ? Npy::NPY_BYTE_ : Npy::NPY_UBYTE_;
  return dtype.num() == own ? std::optional(form.dtype) : std::nullopt;
}

// The array in place, when the engine can read it so: float32 of this machine or bytes as the index
// keeps them, one or two dimensions, aligned, elements of a row side by side. One dimension is one
// row. Else none; the façade (_arrays.py) then converts. The view lives as long as the array.
inline std::optional<MatrixView> matrix_in_place(const py::array& array, const VectorForm& form) {
  const py::ssize_t dimensions_of_array = array.ndim();
  if (dimensions_of_array != 1 && dimensions_of_array != 2) return std::nullopt;
  const std::optional<ScalarType> type = type_in_place(array.dtype(), form);
  if (!type) return std::nullopt;
  const bool floats = *type == ScalarType::kFloat32;
  const auto element_bytes = static_cast<py::ssize_t>(floats ? sizeof(float) : 1);
  const auto address = reinterpret_cast<std::uintptr_t>(array.data());
  if (floats && address % alignof(float) != 0) return std::nullopt;
  const py::ssize_t width = array.shape(dimensions_of_array - 1);
  const bool empty = array.size() == 0;  // numpy gives strides of zero
  if (!empty && width > 1 && array.strides(dimensions_of_array - 1) != element_bytes)
    return std::nullopt;
  MatrixView view;
  view.type = *type;
  if (floats) {
    view.data = static_cast<const float*>(array.data());
  } else {
    view.bytes = static_cast<const std::byte*>(array.data());
  }
  view.dimensions = static_cast<std::size_t>(width);
  view.row_stride = view.dimensions;
  if (*type == ScalarType::kBinary) {  // bits; of another number of bytes all of theirs
    view.dimensions = view.dimensions == form.width() ? form.dimensions : view.dimensions * 8;
  }
  view.rows = 1;
  if (dimensions_of_array == 1) return view;
  view.rows = static_cast<std::size_t>(array.shape(0));
  if (view.rows <= 1 || empty) return view;
  const py::ssize_t stride = array.strides(0);
  if (stride < width * element_bytes || stride % element_bytes != 0) return std::nullopt;
  view.row_stride = static_cast<std::size_t>(stride / element_bytes);
  return view;
}

// As above for an argument that the façade has converted already.
inline MatrixView matrix_of(const py::array& array, const VectorForm& form) {
  if (auto view = matrix_in_place(array, form)) return *view;
  throw py::type_error("expected an aligned array of one or two dimensions, of float32 or " +
                       std::string(to_string(form.dtype)) + ", got " +
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
  switch (type) {
    case ScalarType::kFloat16: return py::dtype("float16");
    case ScalarType::kInt8: return py::dtype("int8");
    case ScalarType::kUint8:
    case ScalarType::kBinary: return py::dtype("uint8");
    default: return py::dtype("float32");
  }
}

// The vectors of `rows` rows, which are in one of the two; their memory becomes the array's.
inline py::array array_of_rows(std::vector<float>&& floats, std::vector<std::byte>&& bytes,
                               std::size_t rows, const VectorForm& form) {
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(rows),
                                       static_cast<py::ssize_t>(form.width())};
  if (!form.bytes()) return array_of(std::move(floats), shape);
  auto moved = std::make_unique<std::vector<std::byte>>(std::move(bytes));
  const std::byte* data = moved->data();
  const py::capsule owner(
      moved.release(), [](void* vector) { delete static_cast<std::vector<std::byte>*>(vector); });
  return py::array(numpy_type(form.dtype), shape, data, owner);
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
  const VectorForm form{block.dtype, block.dimensions};
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(block.rows),
                                       static_cast<py::ssize_t>(form.width())};
  py::array array(numpy_type(block.dtype), shape, block.data, owner);
  forbid_writing(array);
  return array;
}

}  // namespace springg::bindings
