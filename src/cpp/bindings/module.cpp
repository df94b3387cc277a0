// SPDX-License-Identifier: Apache-2.0
// The extension module pyrnn._core: one register_* function per area, each in a file of the same name.
#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace pyrnn::bindings {
void register_runtime(py::module_& m);
void register_shared(py::module_& m);
void register_recorded_method(py::module_& m);
void register_tape(py::module_& m);
void register_tensors(py::module_& m);
void register_activations(py::module_& m);
void register_arrays(py::module_& m);
void register_optimizers(py::module_& m);
void register_embedding(py::module_& m);
void register_linear(py::module_& m);
void register_layer_norm(py::module_& m);
void register_pool(py::module_& m);
void register_attention(py::module_& m);
void register_structured(py::module_& m);
void register_recurrent(py::module_& m);
void register_attending(py::module_& m);
void register_functional(py::module_& m);
void register_tensor_layer(py::module_& m);
void register_stream(py::module_& m);
void register_model_stream(py::module_& m);
}  // namespace pyrnn::bindings

// pybind11's own entry waits for ever for the GIL in a sub-interpreter; it is called from PyInit__core alone.
PYBIND11_MODULE(core_of_main, m) {
  m.doc() = "The C++ core of pyrnn. Strict: arrays must be C-contiguous, aligned and of the exact dtype and shape.";
  pyrnn::bindings::register_runtime(m);
  pyrnn::bindings::register_shared(m);
  pyrnn::bindings::register_recorded_method(m);
  pyrnn::bindings::register_tape(m);
  pyrnn::bindings::register_tensors(m);
  pyrnn::bindings::register_activations(m);
  pyrnn::bindings::register_arrays(m);
  pyrnn::bindings::register_optimizers(m);
  pyrnn::bindings::register_embedding(m);
  pyrnn::bindings::register_linear(m);
  pyrnn::bindings::register_layer_norm(m);
  pyrnn::bindings::register_pool(m);
  pyrnn::bindings::register_attention(m);
  pyrnn::bindings::register_structured(m);
  pyrnn::bindings::register_recurrent(m);
  pyrnn::bindings::register_attending(m);
  pyrnn::bindings::register_functional(m);
  pyrnn::bindings::register_tensor_layer(m);
  pyrnn::bindings::register_stream(m);
  pyrnn::bindings::register_model_stream(m);
}

extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
    PyErr_SetString(PyExc_ImportError, "pyrnn: imported in a sub-interpreter, expected the main interpreter");
    return nullptr;
  }
  return PyInit_core_of_main();
}
