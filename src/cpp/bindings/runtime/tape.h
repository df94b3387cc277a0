// SPDX-License-Identifier: Apache-2.0
// The tape of a module's `forward`: values, and notes of what made them. What is common is here; what is nested,
// refused or comes from elsewhere is read in Python, by the methods of the subclass in _base/tape.py.
#pragma once

#include <pybind11/numpy.h>

#include <array>
#include <vector>

#include "bindings/runtime/c_types.h"

namespace pyrnn::bindings {

constexpr Py_ssize_t kNever = -1;  // the number of what gets no gradient
// How many entries a note has, a tuple: (number, numbers of operands, pulls), (part, pullback, outputs, inputs, state).
constexpr Py_ssize_t kOperation = 3, kPart = 5;

// An array on a tape; its place is (number, shape, dtype).
struct Value {
  PyObject ob_base;
  PyObject *tape, *array, *place;
  std::array<PyObject**, 3> references() { return {&tape, &array, &place}; }
};

struct Tape {
  PyObject ob_base;
  PyObject* value_type;  // the class of its values
  PyObject* active;  // the context variable that holds the tape that runs
  PyObject* rng;  // for parts that draw, or None
  PyObject* notes;  // a list
  PyObject* parameters;  // a list of sequences of those that were used
  Py_ssize_t count;  // of the numbers that were given
  bool recording;
  std::array<PyObject**, 5> references() { return {&value_type, &active, &rng, &notes, &parameters}; }
};

bool is_tape(py::handle object);  // whether it is of the type that register_tape makes

inline bool is_array(py::handle object) {
  return PyObject_TypeCheck(object.ptr(), py::detail::npy_api::get().PyArray_Type_) != 0;
}

inline Py_ssize_t number_of(py::handle place) {
  const Py_ssize_t number = PyLong_AsSsize_t(PyTuple_GET_ITEM(place.ptr(), 0));
  if (number == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return number;
}

py::object make_value(PyObject* tape, const py::array& array, Py_ssize_t number);

// Of a part's outputs, those of floats as values; numbers are given if gradients are wanted.
struct Wrapped {
  py::object values, places;
};
Wrapped wrapped(PyObject* tape, py::handle part, py::handle tree, bool wanted);

struct PartCall {
  py::handle part, method, shown;  // method: what a call is without a tape; shown: what it makes of vjp's outputs
  std::vector<PyObject*> arguments{};  // the part, those in order, those by name
  py::object names{};  // a tuple, or null
  py::object inputs{}, state{};  // the places of arguments with floats
  bool wanted = false;  // whether one of them gets a gradient
};

// In inference just the call, in training the part's vjp, which is noted.
py::object run_part(PyObject* tape, PartCall call);

// The same with one value of this tape and None or nothing beside it, as most calls are: what the part's method and
// names lack is read off the values. Null for other arguments.
py::object run_part_with_one_value(PyObject* tape, PartCall call, PyObject* const* values, Py_ssize_t positional);

// The result of an operation as a value.
py::object apply(PyObject* tape, py::handle operation, const py::tuple& operands, const py::dict& options);

}  // namespace pyrnn::bindings
