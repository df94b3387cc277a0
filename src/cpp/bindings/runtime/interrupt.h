// SPDX-License-Identifier: Apache-2.0
// Work without the GIL, and its reports to Python: Ctrl-C, and threads that the system refused.
#pragma once

#include <cxxabi.h>
#include <pybind11/pybind11.h>
#include <unistd.h>

#include <utility>

#include "core/runtime/fpenv.h"
#include "core/runtime/parallel.h"

namespace pyrnn::bindings {

namespace py = pybind11;

// take() asks for the GIL. Once the interpreter has ended, Python before 3.14 ends the daemon threads that do so: they
// are unwound, and a noexcept function on the way aborts the process. They sleep instead, as from 3.14 on.
template <class Take>
auto taking_gil(Take&& take) {
#if defined(__GLIBCXX__)
  try {
    return take();
  } catch (abi::__forced_unwind&) {
    for (;;) pause();
  }
#else
  return take();
#endif
}

// The stop callback of the drivers, for the thread that made the call: true once a signal handler (Ctrl-C's, say) has
// raised. The exception stays set, and without_gil throws it. Handlers run in the default floating-point environment.
inline bool interrupted() {
  const ScopedFloatControl python(0);
  return taking_gil([] {
    const py::gil_scoped_acquire gil;
    return PyErr_Occurred() != nullptr || PyErr_CheckSignals() != 0;
  });
}

// Throws what Python should see after a call into the core: with the GIL held.
inline void raise_pending() {
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (take_refused_threads() &&
      PyErr_WarnEx(PyExc_RuntimeWarning,
                   "pyrnn: the system refuses to start threads; this process computes on one from here on", 1) != 0) {
    throw py::error_already_set();
  }
}

// Runs work() with the GIL released, then raises what is pending; work may throw, too.
template <class Work>
void without_gil(Work&& work) {
  PyThreadState* const thread = PyEval_SaveThread();
  const auto take_back = [&] { taking_gil([&] { PyEval_RestoreThread(thread); }); };
  try {
    std::forward<Work>(work)();
  } catch (...) {
    take_back();
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();  // Ctrl-C came first
    throw;
  }
  take_back();
  raise_pending();
}

}  // namespace pyrnn::bindings
