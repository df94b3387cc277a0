// SPDX-License-Identifier: Apache-2.0
// with_value: a call while a context variable holds something. RecordedMethod: a method whose calls are noted while a
// forward or a summary runs. Nearly all calls find none, and pass through without unpacking their arguments; in Python
// that would cost a tenth of a small layer's call.
#include <array>
#include <cstddef>
#include <utility>

#include "bindings/runtime/c_types.h"
#include "bindings/runtime/context.h"
#include "bindings/runtime/fast_method.h"
#include "bindings/runtime/tape.h"

namespace pyrnn::bindings {

namespace py = pybind11;

namespace {

struct RecordedMethod {
  PyObject ob_base;  // PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* method;
  PyObject* noted;   // called in its place while a variable holds something
  PyObject* active;  // a tuple of context variables: that of the tape, and others
  PyObject* shown;   // what a call makes of the outputs of vjp, or None
  PyObject* attributes;
  std::array<PyObject**, 5> references() { return {&method, &noted, &active, &shown, &attributes}; }
};

RecordedMethod* of(PyObject* self) { return &as<RecordedMethod>(self); }

// What a context variable holds; null for nothing.
py::object held(PyObject* variable) {
  PyObject* value = nullptr;
  if (PyContextVar_Get(variable, nullptr, &value) < 0) throw py::error_already_set();
  auto found = py::reinterpret_steal<py::object>(value);
  return found.is_none() ? py::object() : found;
}

// The call while a variable holds something; null if none does.
py::object call_while_active(PyObject* self, PyObject* const* values, std::size_t positional, PyObject* names) {
  PyObject* variables = of(self)->active;
  py::object first;
  bool others = false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(variables); ++i) {
    py::object found = held(PyTuple_GET_ITEM(variables, i));
    if (i == 0)
      first = std::move(found);
    else
      others = others || found;
  }
  if (!first && !others) return {};
  if (first && !others && is_tape(first)) {
    PartCall call;
    call.method = of(self)->method;
    call.shown = of(self)->shown;
    call.names = py::reinterpret_borrow<py::object>(names);
    py::object found = run_part_with_one_value(first.ptr(), std::move(call), values, PyVectorcall_NARGS(positional));
    if (found) return found;
  }
  return checked(PyObject_Vectorcall(of(self)->noted, values, positional, names));
}

PyObject* call(PyObject* self, PyObject* const* values, std::size_t positional, PyObject* names) {
  PyObject* noted = as_c_result([&] { return call_while_active(self, values, positional, names); });
  if (noted != nullptr || PyErr_Occurred() != nullptr) return noted;
  return PyObject_Vectorcall(of(self)->method, values, positional, names);
}

PyObject* make(PyTypeObject* type, PyObject* args, PyObject*) {
  PyObject *method = nullptr, *noted = nullptr, *active = nullptr, *shown = Py_None;
  if (!PyArg_ParseTuple(args, "OOO!|O:RecordedMethod", &method, &noted, &PyTuple_Type, &active, &shown)) return nullptr;
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
  of(self)->shown = Py_NewRef(shown);
  return self;
}

// As a function's: a method of the instance that it is read from.
PyObject* bind(PyObject* self, PyObject* instance, PyObject*) {
  return instance == nullptr ? Py_NewRef(self) : PyMethod_New(self, instance);
}

PyObject* shown(PyObject* self) { return PyObject_Repr(of(self)->method); }

// with_value(variable, value, function, *args, **kwargs)
PyObject* with_value(PyObject*, PyObject* const* values, Py_ssize_t positional, PyObject* names) {
  if (positional < 3 || !PyContextVar_CheckExact(values[0])) {
    PyErr_SetString(PyExc_TypeError, "with_value: expected a ContextVar, its value and a function");
    return nullptr;
  }
  return as_c_result([&] {
    const While running(values[0], values[1]);
    return checked(PyObject_Vectorcall(values[2], values + 3, static_cast<std::size_t>(positional - 3), names));
  });
}

}  // namespace

void register_recorded_method(py::module_& m) {
  static PyMemberDef offsets[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(RecordedMethod, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(RecordedMethod, attributes), READONLY, nullptr},
      {}};
  static PyGetSetDef attributes[] = {{"__dict__", &PyObject_GenericGetDict, &PyObject_GenericSetDict, nullptr, nullptr},
                                     {}};
  static PyType_Slot slots[] = {{Py_tp_new, slot(&make)},
                                {Py_tp_call, slot(&PyVectorcall_Call)},
                                {Py_tp_descr_get, slot(&bind)},
                                {Py_tp_repr, slot(&shown)},
                                {Py_tp_traverse, slot(&visit_references<RecordedMethod>)},
                                {Py_tp_clear, slot(&clear_references<RecordedMethod>)},
                                {Py_tp_dealloc, slot(&destroy<RecordedMethod>)},
                                {Py_tp_members, offsets},
                                {Py_tp_getset, attributes},
                                {}};
  constexpr unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                             Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_IMMUTABLETYPE;
  static PyType_Spec spec = {"pyrnn._core.RecordedMethod", sizeof(RecordedMethod), 0, flags, slots};
  static PyMethodDef with = fast_method("with_value", &with_value,
                                        "with_value($module, variable, value, function, *args, "
                                        "**kwargs)\n--\n\nfunction(*args, **kwargs) while a ContextVar "
                                        "has that value.");
  add_function(m, with);
  add_type(m, spec);
}

}  // namespace pyrnn::bindings
