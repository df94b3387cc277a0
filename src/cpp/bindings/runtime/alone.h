// SPDX-License-Identifier: Apache-2.0
// Calls of Python that run alone: a second one meanwhile is refused.
#pragma once

#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>

#include "core/runtime/forks.h"

namespace pyrnn::bindings {

namespace py = pybind11;

// The result of values[0](*rest), a new reference. It is taken and given back within this call, so that no signal
// handler can raise an exception in between.
inline PyObject* call_alone(InUse& in_use, const std::string& refusal, PyObject* const* values, Py_ssize_t positional,
                            PyObject* names) {
  if (positional < 1) throw py::type_error("run: no work, expected a callable");
  const int taken_in = fork_count();
  if (!in_use.take()) throw std::runtime_error(refusal);
  PyObject* result = PyObject_Vectorcall(values[0], values + 1, static_cast<std::size_t>(positional - 1), names);
  in_use.release(taken_in);
  if (result == nullptr) throw py::error_already_set();
  return result;
}

}  // namespace pyrnn::bindings
