// SPDX-License-Identifier: Apache-2.0
#include "bindings/runtime/pullback.h"

#include <utility>

namespace pyrnn::bindings {

// Whether a parameter has another content than when the vjp was called.
static bool is_stale(const Pullback& pullback) {
  static PyObject* const kVersion = interned("_version");
  const auto parameters = checked(PySequence_Fast(pullback.parameters, "parameters: expected a sequence"));
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(parameters.ptr());
  if (!PyList_Check(pullback.versions) || PyList_GET_SIZE(pullback.versions) != count) return true;
  for (Py_ssize_t i = 0; i < count; ++i) {
    const auto version = attribute(PySequence_Fast_GET_ITEM(parameters.ptr(), i), kVersion);
    if (!version.equal(py::handle(PyList_GET_ITEM(pullback.versions, i)))) return true;
  }
  return false;
}

py::object compute(PyObject* self, PyObject* const* args, Py_ssize_t positional, PyObject* names) {
  auto& pullback = as<Pullback>(self);
  for (PyObject** reference : pullback.references()) require_made(self, *reference);
  auto backward = py::reinterpret_steal<py::object>(std::exchange(pullback.backward, Py_NewRef(Py_None)));
  try {
    if (backward.is_none()) py::handle(self).attr("_refuse_used")();
    if (is_stale(pullback)) py::handle(self).attr("_refuse_stale")();
    return checked(PyObject_Vectorcall(backward.ptr(), args, static_cast<std::size_t>(positional), names));
  } catch (...) {
    Py_XSETREF(pullback.backward, backward.release().ptr());
    throw;
  }
}

}  // namespace pyrnn::bindings
