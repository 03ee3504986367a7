// SPDX-License-Identifier: MIT
// Layouts of foreign vector files, for importing.py.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <span>

#include "errors.h"
#include "progress.h"
#include "springg/vector_files.h"

namespace springg::bindings {

namespace {

// Bytes of a buffer (bytes, mmap, a uint8 array), for as long as the guard lives.
class Bytes {
 public:
  explicit Bytes(const py::buffer& source) {
    if (PyObject_GetBuffer(source.ptr(), &buffer_, PyBUF_SIMPLE) != 0) {
      throw py::error_already_set();
    }
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { PyBuffer_Release(&buffer_); }

  std::span<const std::byte> span() const noexcept {
    return {static_cast<const std::byte*>(buffer_.buf), static_cast<std::size_t>(buffer_.len)};
  }

 private:
  Py_buffer buffer_{};
};

}  // namespace

void bind_files(py::module_& module) {
  module.def(
      "parse_npy",
      [](const py::buffer& file) {
        const Bytes bytes(file);
        const NpyLayout layout = without_gil([&] { return parse_npy(bytes.span()); });
        return py::make_tuple(layout.descr, layout.fortran_order, py::tuple(py::cast(layout.shape)),
                              layout.data_offset, layout.data_bytes);
      },
      py::arg("file"),
      "(descr, fortran_order, shape, data_offset, data_bytes) of a .npy file from its bytes.");
  module.def(
      "parse_vecs",
      [](const py::buffer& file, std::size_t element_bytes) {
        const Bytes bytes(file);
        const VecsLayout layout =
            without_gil([&] { return parse_vecs(bytes.span(), element_bytes); });
        return py::make_tuple(layout.rows, layout.dimensions, layout.row_bytes);
      },
      py::arg("file"), py::arg("element_bytes"),
      "(rows, dimensions, row_bytes) of a .fvecs, .ivecs or .bvecs file from its bytes.");
}

}  // namespace springg::bindings
