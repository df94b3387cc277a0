// SPDX-License-Identifier: Apache-2.0
// The backward half of a vjp, without the additions to gradients.
#pragma once

#include <array>

#include "bindings/runtime/c_types.h"

namespace pyrnn::bindings {

struct Pullback {
  PyObject ob_base;
  PyObject *module, *backward, *parameters, *versions;
  std::array<PyObject**, 4> references() { return {&module, &backward, &parameters, &versions}; }
};

bool is_pullback(py::handle object);  // whether it is of the type that register_tape makes

// What backward(*args) gives: the result and the additions. After an error it can be called again.
py::object compute(PyObject* pullback, PyObject* const* args, Py_ssize_t positional, PyObject* names = nullptr);

}  // namespace pyrnn::bindings
