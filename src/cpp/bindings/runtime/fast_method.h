// SPDX-License-Identifier: Apache-2.0
// Methods as plain C functions, which avoid the cost of pybind11's dispatch and take their arguments unconverted.
#pragma once

#include <cxxabi.h>
#include <pybind11/pybind11.h>

namespace pyrnn::bindings {

namespace py = pybind11;

using FastCall = PyObject* (*)(PyObject* self, PyObject* const* values, Py_ssize_t positional, PyObject* names);

// work() as a C function returns it: an exception is set in Python, and null stands for it.
template <class Work>
PyObject* as_c_result(Work&& work) {
  try {
    return work().release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
#if defined(__GLIBCXX__)
  } catch (abi::__forced_unwind&) {  // a thread that the interpreter ends
    throw;
#endif
  } catch (...) {
    py::detail::try_translate_exceptions();
  }
  return nullptr;
}

// Gives the type a method; `method` is of static storage.
inline void add_method(const py::object& type, PyMethodDef& method) {
  PyObject* descriptor = PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type.ptr()), &method);
  if (descriptor == nullptr) throw py::error_already_set();
  type.attr(method.ml_name) = py::reinterpret_steal<py::object>(descriptor);
}

// Gives the module a function; `function` is of static storage.
inline void add_function(py::module_& module, PyMethodDef& function) {
  PyObject* made = PyCFunction_NewEx(&function, module.ptr(), nullptr);
  if (made == nullptr) throw py::error_already_set();
  module.attr(function.ml_name) = py::reinterpret_steal<py::object>(made);
}

inline PyMethodDef fast_method(const char* name, FastCall call, const char* doc) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call)), METH_FASTCALL | METH_KEYWORDS, doc};
}

}  // namespace pyrnn::bindings
