// SPDX-License-Identifier: Apache-2.0
// The types of a recording: Value, Tape, WayBack, Pullback. Python's classes of these names are their subclasses.
#include <string>

#include "bindings/runtime/fast_method.h"
#include "bindings/runtime/pullback.h"
#include "bindings/runtime/tape.h"
#include "bindings/runtime/way_back.h"

namespace pyrnn::bindings {

namespace {

PyTypeObject *value_type = nullptr, *pullback_type = nullptr, *tape_type = nullptr;

// The arguments of a method, in order.
struct Arguments {
  PyObject* const* values;

  py::object any(int i) const { return py::reinterpret_borrow<py::object>(values[i]); }
  template <class T>
  T of(int i) const {
    if (!py::isinstance<T>(values[i]))
      throw py::type_error("argument " + std::to_string(i) + " is " + Py_TYPE(values[i])->tp_name);
    return py::reinterpret_borrow<T>(values[i]);
  }
  Py_ssize_t number(int i) const { return of<py::int_>(i).cast<Py_ssize_t>(); }
};

// A method of T, of so many arguments.
template <class T, int count, py::object (*method)(PyObject*, const Arguments&)>
PyObject* run(PyObject* self, PyObject* const* values, Py_ssize_t positional, PyObject* names) {
  return as_c_result([&] {
    for (PyObject** reference : as<T>(self).references()) require_made(self, *reference);
    if (positional != count || names != nullptr)
      throw py::type_error(std::string(Py_TYPE(self)->tp_name) + ": expected " + std::to_string(count) + " arguments");
    return method(self, Arguments{values});
  });
}

py::object apply_operation(PyObject* self, const Arguments& given) {
  return apply(self, given.any(0), given.of<py::tuple>(1), given.of<py::dict>(2));
}

py::object run_any_part(PyObject* self, const Arguments& given) {
  const auto in_order = given.of<py::list>(3);
  const auto by_name = given.of<py::dict>(4);
  PartCall call{given.any(0),          given.any(1), given.any(2),         {given.values[0]}, py::tuple(by_name.size()),
                given.of<py::list>(5), given.any(6), is_true(given.any(7))};
  for (const py::handle argument : in_order) call.arguments.push_back(argument.ptr());
  Py_ssize_t i = 0;
  for (const auto& [name, argument] : by_name) {
    PyTuple_SET_ITEM(call.names.ptr(), i++, Py_NewRef(name.ptr()));
    call.arguments.push_back(argument.ptr());
  }
  return run_part(self, std::move(call));
}

py::object value_of(PyObject* self, const Arguments& given) {
  return make_value(self, given.of<py::array>(0), given.number(1));
}

py::object wrapped_outputs(PyObject* self, const Arguments& given) {
  const Wrapped both = wrapped(self, given.any(0), given.any(1), is_true(given.any(2)));
  return py::make_tuple(both.values, both.places);
}

py::object take_gradient(PyObject* self, const Arguments& given) {
  const auto place = given.of<py::tuple>(0);
  if (place.empty()) throw py::type_error("take: expected a place");
  return take(self, place);
}

py::object add_gradient(PyObject* self, const Arguments& given) {
  add(self, given.number(0), given.any(1));
  return py::none();
}

py::object send_gradient(PyObject* self, const Arguments& given) {
  send(self, given.any(0), given.any(1), given.any(2));
  return py::none();
}

py::object go_back_through(PyObject* self, const Arguments& given) {
  go_back(self, given.of<py::list>(0).ptr());
  return py::none();
}

PyObject* compute_pullback(PyObject* self, PyObject* const* values, Py_ssize_t positional, PyObject* names) {
  return as_c_result([&] { return compute(self, values, positional, names); });
}

int init_tape(PyObject* self, PyObject* args, PyObject*) {
  PyObject *type = nullptr, *active = nullptr, *rng = nullptr;
  int recording = 0;
  if (!PyArg_ParseTuple(args, "O!O!pO:Tape", &PyType_Type, &type, &PyContextVar_Type, &active, &recording, &rng))
    return -1;
  if (!PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), value_type)) {
    PyErr_SetString(PyExc_TypeError, "Tape: expected a class of Values");
    return -1;
  }
  auto& tape = as<Tape>(self);
  Py_XSETREF(tape.value_type, Py_NewRef(type));
  Py_XSETREF(tape.active, Py_NewRef(active));
  Py_XSETREF(tape.rng, Py_NewRef(rng));
  Py_XSETREF(tape.notes, PyList_New(0));
  Py_XSETREF(tape.parameters, PyList_New(0));
  tape.recording = recording != 0;
  return tape.notes == nullptr || tape.parameters == nullptr ? -1 : 0;
}

int init_way_back(PyObject* self, PyObject* args, PyObject*) {
  Py_ssize_t count = 0;
  if (!PyArg_ParseTuple(args, "n:WayBack", &count)) return -1;
  auto& way = as<WayBack>(self);
  PyObject* found = PyList_New(count);
  for (Py_ssize_t i = 0; found != nullptr && i < count; ++i) PyList_SET_ITEM(found, i, Py_NewRef(Py_None));
  Py_XSETREF(way.found, found);
  Py_XSETREF(way.own, PyByteArray_FromStringAndSize(nullptr, count));
  Py_XSETREF(way.additions, PyList_New(0));
  if (way.found == nullptr || way.own == nullptr || way.additions == nullptr) return -1;
  std::fill_n(PyByteArray_AS_STRING(way.own), count, char{0});
  return 0;
}

PyMemberDef reference(const char* name, std::size_t offset, int flags = READONLY) {
  return {name, T_OBJECT_EX, static_cast<Py_ssize_t>(offset), flags, nullptr};
}

// The type of T, which Python's class of that name extends.
template <class T>
PyTypeObject* add_base(py::module_& m, const char* name, PyMemberDef* members, PyMethodDef* methods,
                       initproc init = nullptr) {
  PyType_Slot slots[] = {{Py_tp_new, slot(&PyType_GenericNew)},
                         {Py_tp_traverse, slot(&visit_references<T>)},
                         {Py_tp_clear, slot(&clear_references<T>)},
                         {Py_tp_dealloc, slot(&destroy<T>)},
                         {Py_tp_members, members},
                         {Py_tp_methods, methods},
                         {init == nullptr ? 0 : Py_tp_init, slot(init)},
                         {}};
  constexpr unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  PyType_Spec spec = {name, sizeof(T), 0, flags, slots};
  return add_type(m, spec);
}

}  // namespace

bool is_pullback(py::handle object) { return PyObject_TypeCheck(object.ptr(), pullback_type) != 0; }

bool is_tape(py::handle object) { return PyObject_TypeCheck(object.ptr(), tape_type) != 0; }

void register_tape(py::module_& m) {
  static PyMethodDef none[] = {{}};
  static PyMemberDef of_value[] = {reference("_tape", offsetof(Value, tape)),
                                   reference("_array", offsetof(Value, array)),
                                   reference("_place", offsetof(Value, place)),
                                   {}};
  value_type = add_base<Value>(m, "pyrnn._core.Value", of_value, none);

  static PyMemberDef of_pullback[] = {reference("_module", offsetof(Pullback, module), 0),
                                      reference("_backward", offsetof(Pullback, backward), 0),
                                      reference("_parameters", offsetof(Pullback, parameters), 0),
                                      reference("_versions", offsetof(Pullback, versions), 0),
                                      {}};
  static PyMethodDef by_pullback[] = {
      fast_method("compute", &compute_pullback,
                  "compute($self, *args, **kwargs)\n--\n\nThe result, and the additions that are still to be made: for "
                  "modules made of modules."),
      {}};
  pullback_type = add_base<Pullback>(m, "pyrnn._core.Pullback", of_pullback, by_pullback);

  static PyMemberDef of_tape[] = {reference("_notes", offsetof(Tape, notes), 0),
                                  reference("_parameters", offsetof(Tape, parameters), 0),
                                  {"_count", T_PYSSIZET, offsetof(Tape, count), 0, nullptr},
                                  {"_recording", T_BOOL, offsetof(Tape, recording), READONLY, nullptr},
                                  {}};
  static PyMethodDef by_tape[] = {
      fast_method("apply", &run<Tape, 3, apply_operation>, "apply($self, operation, operands, options)\n--\n\n"),
      fast_method("_run", &run<Tape, 8, run_any_part>,
                  "_run($self, part, method, shown, in_order, by_name, inputs, state, wanted)\n--\n\n"),
      fast_method("_value", &run<Tape, 2, value_of>, "_value($self, array, number)\n--\n\n"),
      fast_method("_wrapped", &run<Tape, 3, wrapped_outputs>, "_wrapped($self, part, tree, wanted)\n--\n\n"),
      {}};
  tape_type = add_base<Tape>(m, "pyrnn._core.Tape", of_tape, by_tape, &init_tape);

  static PyMemberDef of_way[] = {reference("_found", offsetof(WayBack, found)),
                                 reference("_own", offsetof(WayBack, own)),
                                 reference("additions", offsetof(WayBack, additions)),
                                 {}};
  static PyMethodDef by_way[] = {
      fast_method("take", &run<WayBack, 1, take_gradient>, "take($self, place)\n--\n\n"),
      fast_method("add", &run<WayBack, 2, add_gradient>, "add($self, number, gradient)\n--\n\n"),
      fast_method("send", &run<WayBack, 3, send_gradient>, "send($self, places, d, part)\n--\n\n"),
      fast_method("go_back", &run<WayBack, 1, go_back_through>, "go_back($self, notes)\n--\n\n"),
      {}};
  add_base<WayBack>(m, "pyrnn._core.WayBack", of_way, by_way, &init_way_back);
}

}  // namespace pyrnn::bindings
