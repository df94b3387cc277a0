// SPDX-License-Identifier: Apache-2.0
// The step of streams of layers and models: the check that a stream is free, and the calls that both kinds share.
#pragma once

#include "bindings/recurrent/stack_arguments.h"
#include "bindings/runtime/fast_method.h"
#include "bindings/runtime/interrupt.h"

namespace pyrnn::bindings {

inline void check_batch_size(py::ssize_t rows) {
  require(rows >= 1 && rows <= (py::ssize_t{1} << 40), "batch_size: ", rows, ", expected 1 to 2**40");
}

inline std::string in_use_text(const SteppedObject& stream) {
  return stream.owner + ": another thread is in a call on this stream, expected one call at a time";
}

// A stream has one state: two calls at a time would mix two sequences.
class Busy {
 public:
  explicit Busy(SteppedObject& stream) : in_use_(stream.busy), taken_in_(fork_count()) {
    if (!in_use_.take()) throw std::runtime_error(in_use_text(stream));
  }
  ~Busy() { in_use_.release(taken_in_); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  InUse& in_use_;
  const int taken_in_;
};

// What a step is called with; but for x_t, None where nothing is given.
struct StepArguments {
  PyObject* x = nullptr;
  PyObject* out = nullptr;
  PyObject* resets = nullptr;
  PyObject* active = nullptr;
};
StepArguments read_arguments(PyObject* const* values, Py_ssize_t positional, PyObject* names);

// y of a step, or null if an argument is not as the core wants it: then nothing has happened.
py::object step_as_given(SteppedObject& object, const StepArguments& given);

// The same with every check in words.
py::array checked_step(SteppedObject& object, py::handle x, py::handle out, py::handle resets, py::handle active);

// y (T, B, columns) of a chunk x (T, B, columns), or (T, B) of ids; with every check in words.
py::array run_chunk(SteppedObject& object, py::handle x, py::handle resets, int threads);

// Of a type of objects that are stepped. What `step` cannot take as it is, it hands to self._checked_step.
template <class Object>
PyObject* step_method(PyObject* self, PyObject* const* values, Py_ssize_t positional, PyObject* names) {
  return as_c_result([&] {
    const StepArguments given = read_arguments(values, positional, names);
    py::object y = step_as_given(initialised<Object>(self), given);
    if (!y)
      y = py::handle(self).attr("_checked_step")(py::handle(given.x), py::handle(given.out), py::handle(given.resets),
                                                 py::handle(given.active));
    return y;
  });
}

// The methods of both kinds: `step`, what it cannot take as it is, and the run of a chunk, by its name.
template <class Object>
void def_steps(py::class_<Object>& type, PyMethodDef& step, const char* run) {
  const auto checked = [](Object& self, py::handle x, py::handle out, py::handle resets, py::handle active) {
    return checked_step(self, x, out, resets, active);
  };
  const auto chunk = [](Object& self, py::handle x, py::handle resets, int threads) {
    return run_chunk(self, x, resets, threads);
  };
  type.def("_checked_step", checked, py::arg("x_t"), py::arg("out").none(true), py::arg("resets").none(true),
           py::arg("active").none(true))
      .def(run, chunk, py::arg("x"), py::arg("resets").none(true), py::arg("threads"));
  add_method(type, step);
}

}  // namespace pyrnn::bindings
