// SPDX-License-Identifier: Apache-2.0
// Types as plain structs of C: their objects are made and read without pybind11's tables, which would cost a recording
// more than what it notes.
#pragma once

#include <pybind11/pybind11.h>
#include <structmember.h>

#include <string>

namespace pyrnn::bindings {

namespace py = pybind11;

template <class T>
T& as(PyObject* self) {
  return *reinterpret_cast<T*>(self);
}

// What a C function returned: an object, or null with an exception.
inline py::object checked(PyObject* result) {
  if (result == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

// A name of Python's, made once: `static PyObject* const kShape = interned("shape");`.
inline PyObject* interned(const char* name) { return checked(PyUnicode_InternFromString(name)).release().ptr(); }

inline py::object attribute(py::handle object, PyObject* name) { return checked(PyObject_GetAttr(object.ptr(), name)); }

inline bool is_true(py::handle object) {
  const int found = PyObject_IsTrue(object.ptr());
  if (found < 0) throw py::error_already_set();
  return found != 0;
}

// TypeError for an object whose __init__ never ran: a reference that every other one has.
inline void require_made(PyObject* self, const PyObject* reference) {
  if (reference == nullptr)
    throw py::type_error(std::string(Py_TYPE(self)->tp_name) +
                         ": __init__ never ran, expected an object that pyrnn made");
}

// Of a T whose `references()` are the addresses of all its references.
template <class T>
int visit_references(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  for (PyObject** reference : as<T>(self).references()) Py_VISIT(*reference);
  return 0;
}

template <class T>
int clear_references(PyObject* self) {
  for (PyObject** reference : as<T>(self).references()) Py_CLEAR(*reference);
  return 0;
}

template <class T>
void destroy(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear_references<T>(self);
  type->tp_free(self);
  Py_DECREF(type);
}

template <class Function>
void* slot(Function function) {
  return reinterpret_cast<void*>(function);
}

// Gives the module the type of a spec, whose name is of static storage.
inline PyTypeObject* add_type(py::module_& module, PyType_Spec& spec) {
  const py::object type = checked(PyType_FromSpec(&spec));
  const std::string name = spec.name;
  module.attr(name.substr(name.rfind('.') + 1).c_str()) = type;
  return reinterpret_cast<PyTypeObject*>(type.inc_ref().ptr());  // for as long as the process runs
}

}  // namespace pyrnn::bindings
