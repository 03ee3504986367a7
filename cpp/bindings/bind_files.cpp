// SPDX-License-Identifier: MIT
// Layouts of foreign vector files, for importing.py.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstdint>
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

// Both arrays C-contiguous, as the caller made them.
void copy_vectors(const py::buffer& file,
                  const py::array_t<std::uint64_t, py::array::c_style>& records,
                  py::array_t<float, py::array::c_style>& out) {
  if (out.ndim() != 2 || records.ndim() != 1 || out.shape(0) != records.shape(0)) {
    throw py::value_error("out must have one row for each record");
  }
  const Bytes bytes(file);
  const std::span<const std::uint64_t> offsets(records.data(),
                                               static_cast<std::size_t>(records.size()));
  const auto dimensions = static_cast<std::size_t>(out.shape(1));
  float* const rows = out.mutable_data();
  without_gil([&] { return copy_springg1_vectors(bytes.span(), offsets, dimensions, rows); });
}

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
  module.def(
      "parse_springg1",
      [](const py::buffer& file) {
        const Bytes bytes(file);
        const Springg1Layout layout = without_gil([&] { return parse_springg1(bytes.span()); });
        return py::make_tuple(
            layout.dimensions,
            py::array_t<std::uint64_t>(static_cast<py::ssize_t>(layout.records.size()),
                                       layout.records.data()));
      },
      py::arg("file"), "(dimensions, offsets of the records) of a Go Springg's .bin file.");
  module.def("copy_springg1_vectors", &copy_vectors, py::arg("file"),
             py::arg("records").noconvert(), py::arg("out").noconvert(),
             "Copies the vectors of the records at these offsets into rows of float32.");
}

}  // namespace springg::bindings
