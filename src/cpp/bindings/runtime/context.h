// SPDX-License-Identifier: Apache-2.0
// Context variables.
#pragma once

#include <pybind11/pybind11.h>

namespace pyrnn::bindings {

namespace py = pybind11;

// A variable has a value for as long as this lives. It is set back where no signal is handled, so that no interrupt
// leaves the value behind.
class While {
 public:
  While(PyObject* variable, PyObject* value) : variable_(variable), before_(PyContextVar_Set(variable, value)) {
    if (before_ == nullptr) throw py::error_already_set();
  }
  ~While() {
    const py::error_scope raised;
    if (PyContextVar_Reset(variable_, before_) < 0) PyErr_WriteUnraisable(variable_);
    Py_DECREF(before_);
  }
  While(const While&) = delete;
  While& operator=(const While&) = delete;

 private:
  PyObject *variable_, *before_;
};

}  // namespace pyrnn::bindings
