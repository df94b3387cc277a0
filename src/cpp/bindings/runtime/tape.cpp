// SPDX-License-Identifier: Apache-2.0
#include "bindings/runtime/tape.h"

#include <algorithm>
#include <string>

#include "bindings/runtime/context.h"
#include "bindings/runtime/pullback.h"

namespace pyrnn::bindings {

namespace {

py::object make_place(Py_ssize_t number, const py::array& array) {
  const py::object shape = checked(PyTuple_New(array.ndim()));
  for (py::ssize_t i = 0; i < array.ndim(); ++i)
    PyTuple_SET_ITEM(shape.ptr(), i, checked(PyLong_FromSsize_t(array.shape(i))).release().ptr());
  const py::object first = checked(PyLong_FromSsize_t(number));
  return checked(PyTuple_Pack(3, first.ptr(), shape.ptr(), array.dtype().ptr()));
}

void give(PartCall& call, PyObject* name, PyObject* value) {
  const py::object one = checked(PyTuple_Pack(1, name));
  call.names = call.names ? checked(PySequence_Concat(call.names.ptr(), one.ptr())) : one;
  call.arguments.push_back(value);
}

std::size_t in_order(const PartCall& call) {
  return call.arguments.size() - (call.names ? static_cast<std::size_t>(PyTuple_GET_SIZE(call.names.ptr())) : 0);
}

// (outputs, pullback) of a part's vjp, where no tape runs.
py::tuple run_vjp(const Tape& tape, const PartCall& call) {
  static PyObject* const kVjp = interned("vjp");
  const While none(tape.active, Py_None);
  const auto& arguments = call.arguments;
  auto result = checked(PyObject_VectorcallMethod(kVjp, arguments.data(), in_order(call), call.names.ptr()));
  const bool is_tuple = PyTuple_Check(result.ptr());
  if (!is_tuple || PyTuple_GET_SIZE(result.ptr()) != 2) {
    const auto came = is_tuple ? "a tuple of " + std::to_string(PyTuple_GET_SIZE(result.ptr()))
                               : std::string(Py_TYPE(result.ptr())->tp_name);
    throw py::type_error(std::string(Py_TYPE(call.part.ptr())->tp_name) + ": its vjp gave " + came +
                         ", expected a tuple of the output and a pullback");
  }
  return py::reinterpret_steal<py::tuple>(result.release());
}

// The arrays and numbers of the operands of an operation, which may keep them.
struct Operands {
  py::object arrays, numbers, options;
  bool wanted = false;
};

// Those that are values of this tape and one dtype, as most are; false for others.
bool read_values(PyObject* tape, const py::tuple& operands, Operands& read) {
  const py::ssize_t count = PyTuple_GET_SIZE(operands.ptr());
  py::tuple arrays(count);
  py::list numbers(count);
  PyObject* dtype = nullptr;
  for (py::ssize_t i = 0; i < count; ++i) {
    PyObject* operand = PyTuple_GET_ITEM(operands.ptr(), i);
    if (Py_TYPE(operand) != reinterpret_cast<PyTypeObject*>(as<Tape>(tape).value_type)) return false;
    const auto& value = as<Value>(operand);
    PyObject* own = value.place == nullptr ? nullptr : PyTuple_GET_ITEM(value.place, 2);
    if (value.tape != tape || own == nullptr || (dtype != nullptr && own != dtype)) return false;
    dtype = own;
    read.wanted = read.wanted || number_of(value.place) >= 0;
    PyTuple_SET_ITEM(arrays.ptr(), i, Py_NewRef(value.array));
    PyList_SET_ITEM(numbers.ptr(), i, Py_NewRef(PyTuple_GET_ITEM(value.place, 0)));
  }
  read.arrays = std::move(arrays);
  read.numbers = std::move(numbers);
  return true;
}

Operands read_operands(PyObject* tape, py::handle operation, const py::tuple& operands, const py::dict& options) {
  Operands read;
  if (read_values(tape, operands, read)) {
    const bool copies = read.wanted && as<Tape>(tape).recording && !options.empty();
    read.options = copies ? py::handle(tape).attr("_copies")(options) : py::object(options);
    return read;
  }
  const py::tuple found = py::handle(tape).attr("_read_operands")(operation, operands, options);
  return {found[0], found[1], found[2], is_true(found[3])};
}

}  // namespace

py::object make_value(PyObject* tape, const py::array& array, Py_ssize_t number) {
  auto* type = reinterpret_cast<PyTypeObject*>(as<Tape>(tape).value_type);
  py::object made = checked(type->tp_alloc(type, 0));
  auto& value = as<Value>(made.ptr());
  value.tape = Py_NewRef(tape);
  value.array = Py_NewRef(array.ptr());
  value.place = make_place(number, array).release().ptr();
  return made;
}

Wrapped wrapped(PyObject* tape, py::handle part, py::handle tree, bool wanted) {
  if (is_array(tree)) {
    const auto array = py::reinterpret_borrow<py::array>(tree);
    if (array.dtype().kind() != 'f') return {array, py::none()};
    py::object value = make_value(tape, array, wanted ? as<Tape>(tape).count++ : kNever);
    py::object place = py::reinterpret_borrow<py::object>(as<Value>(value.ptr()).place);
    return {std::move(value), std::move(place)};
  }
  if (PyTuple_CheckExact(tree.ptr())) {  // most of what is no array
    const py::ssize_t count = PyTuple_GET_SIZE(tree.ptr());
    py::tuple values(count);
    py::list places(count);
    for (py::ssize_t i = 0; i < count; ++i) {
      Wrapped item = wrapped(tape, part, PyTuple_GET_ITEM(tree.ptr(), i), wanted);
      PyTuple_SET_ITEM(values.ptr(), i, item.values.release().ptr());
      PyList_SET_ITEM(places.ptr(), i, item.places.release().ptr());
    }
    return {std::move(values), std::move(places)};
  }
  const py::tuple both = py::handle(tape).attr("_wrapped_nest")(part, tree, wanted);
  return {both[0], both[1]};
}

py::object run_part(PyObject* self, PartCall call) {
  static PyObject *const kNeedDx = interned("need_dx"), *const kRng = interned("rng");
  static PyObject *const kRandom = interned("random"), *const kShown = interned("_shown");
  auto& tape = as<Tape>(self);
  if (!tape.recording) {
    const auto outputs = [&] {
      const While none(tape.active, Py_None);
      return checked(PyObject_Vectorcall(call.method.ptr(), call.arguments.data(), in_order(call), call.names.ptr()));
    }();
    return wrapped(self, call.part, outputs, false).values;
  }
  if (!call.wanted) give(call, kNeedDx, Py_False);
  if (tape.rng != Py_None && is_true(attribute(call.part, kRandom))) give(call, kRng, tape.rng);
  const py::tuple both = run_vjp(tape, call);
  PyObject *outputs = PyTuple_GET_ITEM(both.ptr(), 0), *pullback = PyTuple_GET_ITEM(both.ptr(), 1);
  bool wanted = call.wanted || !is_pullback(pullback);  // one of another kind adds to what it likes
  if (is_pullback(pullback)) {
    PyObject* used = as<Pullback>(pullback).parameters;
    require_made(pullback, used);
    if (is_true(used)) {
      wanted = true;
      if (PyList_Append(tape.parameters, used) < 0) throw py::error_already_set();
    }
  }
  const auto [values, places] = wrapped(self, call.part, outputs, wanted);
  if (wanted) {
    const auto note =
        checked(PyTuple_Pack(kPart, call.part.ptr(), pullback, places.ptr(), call.inputs.ptr(), call.state.ptr()));
    if (PyList_Append(tape.notes, note.ptr()) < 0) throw py::error_already_set();
  }
  const auto shown =
      call.shown.is_none() ? attribute(call.part, kShown) : py::reinterpret_borrow<py::object>(call.shown);
  return shown.is_none() ? values : shown(values);
}

py::object run_part_with_one_value(PyObject* tape, PartCall call, PyObject* const* values, Py_ssize_t positional) {
  if (positional != 2 || Py_TYPE(values[1]) != reinterpret_cast<PyTypeObject*>(as<Tape>(tape).value_type)) return {};
  const auto& value = as<Value>(values[1]);
  const Py_ssize_t end = positional + (call.names ? PyTuple_GET_SIZE(call.names.ptr()) : 0);
  const auto is_none = [](PyObject* argument) { return argument == Py_None; };
  if (value.tape != tape || value.place == nullptr || !std::all_of(values + 2, values + end, is_none)) return {};
  call.part = values[0];
  call.arguments = {values[0], value.array};
  call.arguments.insert(call.arguments.end(), values + 2, values + end);
  call.inputs = checked(PyList_New(1));
  PyList_SET_ITEM(call.inputs.ptr(), 0, Py_NewRef(value.place));
  call.state = py::none();
  call.wanted = number_of(value.place) >= 0;
  return run_part(tape, std::move(call));
}

py::object apply(PyObject* self, py::handle operation, const py::tuple& operands, const py::dict& options) {
  auto& tape = as<Tape>(self);
  const Operands read = read_operands(self, operation, operands, options);
  const py::tuple both = checked(PyObject_Call(operation.ptr(), read.arrays.ptr(), read.options.ptr()));
  const py::array y{py::object(both[0])};  // of operands without axes, numpy makes a number
  if (!read.wanted) return make_value(self, y, kNever);
  const py::object own = py::int_(tape.count);
  const py::tuple pulls = both[1];
  if (pulls.size() != operands.size()) throw py::value_error("apply: expected a pull for each operand");
  const auto note = checked(PyTuple_Pack(kOperation, own.ptr(), read.numbers.ptr(), pulls.ptr()));
  if (PyList_Append(tape.notes, note.ptr()) < 0) throw py::error_already_set();
  return make_value(self, y, tape.count++);
}

}  // namespace pyrnn::bindings
