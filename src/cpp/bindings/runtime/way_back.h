// SPDX-License-Identifier: Apache-2.0
// The way back through the notes of a tape.
#pragma once

#include <array>

#include "bindings/runtime/c_types.h"

namespace pyrnn::bindings {

// The gradients of what is on a tape, by its numbers.
struct WayBack {
  PyObject ob_base;
  PyObject* found;      // a list: what has arrived, or None
  PyObject* own;        // a bytearray: which of them nobody else has seen
  PyObject* additions;  // a list: those of the parts, for the end
  std::array<PyObject**, 3> references() { return {&found, &own, &additions}; }
};

// All that has arrived for a place, for the last time; None if nothing has.
py::object take(PyObject* gradients, py::handle place);

// One more share of a gradient.
void add(PyObject* gradients, Py_ssize_t number, py::handle gradient);

// Adds what a part's pullback gave for one of its arguments.
void send(PyObject* gradients, py::handle places, py::handle gradient, py::handle part);

// Goes back through the notes of a tape, the last one first, and takes each off the list.
void go_back(PyObject* gradients, PyObject* notes);

}  // namespace pyrnn::bindings
