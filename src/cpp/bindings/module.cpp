// SPDX-License-Identifier: Apache-2.0
// The extension module pyrnn._core: one register_* function per area, each in the file of that name.
#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace pyrnn::bindings {
void register_runtime(py::module_& m);
void register_recurrent(py::module_& m);
void register_linear(py::module_& m);
void register_attention(py::module_& m);
void register_elementwise(py::module_& m);
}  // namespace pyrnn::bindings

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ core of pyrnn. Strict: arrays must be C-contiguous, aligned and of the exact dtype and shape.";
  pyrnn::bindings::register_runtime(m);
  pyrnn::bindings::register_recurrent(m);
  pyrnn::bindings::register_linear(m);
  pyrnn::bindings::register_attention(m);
  pyrnn::bindings::register_elementwise(m);
}
