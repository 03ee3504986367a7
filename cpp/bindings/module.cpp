// SPDX-License-Identifier: MIT
// springg._core: the C++ API for the façade in python/springg. Private; names may change.
#include <pybind11/pybind11.h>

#include "results.h"

namespace springg::bindings {

void bind_columns(py::module_& module);
void bind_cpu(py::module_& module);
void bind_database(py::module_& module);
void bind_files(py::module_& module);
void bind_index(py::module_& module);
void bind_results(py::module_& module);

}  // namespace springg::bindings

PYBIND11_MODULE(_core, module) {
  using namespace springg::bindings;
  module.doc() = "C++ core of springg; use the springg package.";
  module.attr("__version__") = SPRINGG_VERSION;
  bind_columns(module);
  bind_query_hits(module);
  bind_results(module);
  bind_index(module);
  bind_database(module);
  bind_search(module);
  bind_files(module);
  bind_cpu(module);
}
