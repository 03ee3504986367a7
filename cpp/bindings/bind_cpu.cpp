// SPDX-License-Identifier: MIT
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "errors.h"
#include "springg/cpu.h"

namespace springg::bindings {

void bind_cpu(py::module_& module) {
  module.def(
      "cpu_features",
      [] {
        const CpuFeatures features = take(cpu_features());
        py::dict facts;
        facts["isa"] = features.isa;
        facts["available"] = features.available;
        facts["forced"] =
            features.forced.empty() ? py::object(py::none()) : py::object(py::str(features.forced));
        return facts;
      },
      "Instruction sets: in use, available, forced.");
  module.def("usable_processors", &usable_processors,
             "Processors that this process may use: affinity mask and cgroup quota.");
}

}  // namespace springg::bindings
