// SPDX-License-Identifier: Apache-2.0
// with_value: a call while a context variable holds something. RecordedMethod: a method whose calls are noted while a
// forward or a summary runs. Nearly all calls find none, and pass through without unpacking their arguments; in Python
// that would cost a tenth of a small layer's call.
#include <pybind11/pybind11.h>
#include <structmember.h>

#include <cstddef>

#include "bindings/runtime/fast_method.h"

namespace pyrnn::bindings {

namespace py = pybind11;

namespace {

struct RecordedMethod {
  PyObject ob_base;  // PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* method;
  PyObject* noted;   // called in its place while a variable holds something
  PyObject* active;  // a tuple of context variables
  PyObject* attributes;
};

RecordedMethod* of(PyObject* self) { return reinterpret_cast<RecordedMethod*>(self); }

// Whether a context variable holds something; negative with an exception.
int is_active(PyObject* variables) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(variables); ++i) {
    PyObject* value = nullptr;
    if (PyContextVar_Get(PyTuple_GET_ITEM(variables, i), nullptr, &value) < 0) return -1;
    const bool holds = value != nullptr && value != Py_None;
    Py_XDECREF(value);
    if (holds) return 1;
  }
  return 0;
}

PyObject* call(PyObject* self, PyObject* const* values, std::size_t positional, PyObject* names) {
  const int active = is_active(of(self)->active);
  if (active < 0) return nullptr;
  return PyObject_Vectorcall(active ? of(self)->noted : of(self)->method, values, positional, names);
}

PyObject* make(PyTypeObject* type, PyObject* args, PyObject*) {
  PyObject *method = nullptr, *noted = nullptr, *active = nullptr;
  if (!PyArg_ParseTuple(args, "OOO!:RecordedMethod", &method, &noted, &PyTuple_Type, &active)) return nullptr;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(active); ++i)
    if (!PyContextVar_CheckExact(PyTuple_GET_ITEM(active, i))) {
      PyErr_SetString(PyExc_TypeError, "RecordedMethod: active holds something else, expected ContextVars");
      return nullptr;
    }
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  of(self)->vectorcall = &call;
  of(self)->method = Py_NewRef(method);
  of(self)->noted = Py_NewRef(noted);
  of(self)->active = Py_NewRef(active);
  return self;
}

// As a function's: a method of the instance that it is read from.
PyObject* bind(PyObject* self, PyObject* instance, PyObject*) {
  return instance == nullptr ? Py_NewRef(self) : PyMethod_New(self, instance);
}

PyObject* shown(PyObject* self) { return PyObject_Repr(of(self)->method); }

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(of(self)->method);
  Py_VISIT(of(self)->active);
  Py_VISIT(of(self)->noted);
  Py_VISIT(of(self)->attributes);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(of(self)->method);
  Py_CLEAR(of(self)->active);
  Py_CLEAR(of(self)->noted);
  Py_CLEAR(of(self)->attributes);
  return 0;
}

void destroy(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// with_value(variable, value, function, *args, **kwargs). The variable is set back here, where no signal is handled, so
// that no interrupt leaves the value behind.
PyObject* with_value(PyObject*, PyObject* const* values, Py_ssize_t positional, PyObject* names) {
  if (positional < 3 || !PyContextVar_CheckExact(values[0])) {
    PyErr_SetString(PyExc_TypeError, "with_value: expected a ContextVar, its value and a function");
    return nullptr;
  }
  PyObject* before = PyContextVar_Set(values[0], values[1]);
  if (before == nullptr) return nullptr;
  PyObject* result = PyObject_Vectorcall(values[2], values + 3, static_cast<std::size_t>(positional - 3), names);
  {
    const py::error_scope raised;
    if (PyContextVar_Reset(values[0], before) < 0) PyErr_WriteUnraisable(values[0]);
  }
  Py_DECREF(before);
  return result;
}

template <class Function>
void* slot(Function function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

void register_recorded_method(py::module_& m) {
  static PyMemberDef offsets[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(RecordedMethod, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(RecordedMethod, attributes), READONLY, nullptr},
      {}};
  static PyGetSetDef attributes[] = {{"__dict__", &PyObject_GenericGetDict, &PyObject_GenericSetDict, nullptr, nullptr},
                                     {}};
  static PyType_Slot slots[] = {{Py_tp_new, slot(&make)},          {Py_tp_call, slot(&PyVectorcall_Call)},
                                {Py_tp_descr_get, slot(&bind)},    {Py_tp_repr, slot(&shown)},
                                {Py_tp_traverse, slot(&traverse)}, {Py_tp_clear, slot(&clear)},
                                {Py_tp_dealloc, slot(&destroy)},   {Py_tp_members, offsets},
                                {Py_tp_getset, attributes},        {}};
  constexpr unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                             Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_IMMUTABLETYPE;
  static PyType_Spec spec = {"pyrnn._core.RecordedMethod", sizeof(RecordedMethod), 0, flags, slots};
  static PyMethodDef with = fast_method("with_value", &with_value,
                                        "with_value($module, variable, value, function, *args, "
                                        "**kwargs)\n--\n\nfunction(*args, **kwargs) while a ContextVar "
                                        "has that value.");
  add_function(m, with);
  PyObject* type = PyType_FromSpec(&spec);
  if (type == nullptr) throw py::error_already_set();
  m.attr("RecordedMethod") = py::reinterpret_steal<py::object>(type);
}

}  // namespace pyrnn::bindings
