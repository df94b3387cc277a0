// SPDX-License-Identifier: Apache-2.0
#include "bindings/runtime/way_back.h"

#include <string>
#include <utility>

#include "bindings/runtime/pullback.h"
#include "bindings/runtime/tape.h"

namespace pyrnn::bindings {

namespace {

// Where the gradient of a number is: a reference of the list.
PyObject*& entry(PyObject* self, Py_ssize_t number) {
  auto& way = as<WayBack>(self);
  const Py_ssize_t count = PyByteArray_GET_SIZE(way.own);
  if (number < 0 || number >= count || PyList_GET_SIZE(way.found) != count)
    throw py::index_error("WayBack: " + std::to_string(number) + ", expected a number of its tape");
  return PySequence_Fast_ITEMS(way.found)[number];
}

// What has arrived for outputs, nested as they are, and whether that is something.
py::object take_all(PyObject* self, py::handle places, bool& some) {
  if (PyTuple_Check(places.ptr())) {
    py::object found = take(self, places);
    some = some || !found.is_none();
    return found;
  }
  if (PyList_Check(places.ptr())) {
    const py::ssize_t count = PyList_GET_SIZE(places.ptr());
    py::tuple found(count);
    for (py::ssize_t i = 0; i < count; ++i)
      PyTuple_SET_ITEM(found.ptr(), i, take_all(self, PyList_GET_ITEM(places.ptr(), i), some).release().ptr());
    return found;
  }
  if (PyDict_Check(places.ptr())) {
    py::dict found;
    for (const auto& [name, place] : py::reinterpret_borrow<py::dict>(places))
      found[name] = take_all(self, place, some);
    return found;
  }
  return py::none();
}

// Whether an array is one as an entry's.
bool fits(py::handle gradient, py::handle place) {
  if (!Py_IS_TYPE(gradient.ptr(), py::detail::npy_api::get().PyArray_Type_)) return false;
  const auto array = py::reinterpret_borrow<py::array>(gradient);
  PyObject *shape = PyTuple_GET_ITEM(place.ptr(), 1), *dtype = PyTuple_GET_ITEM(place.ptr(), 2);
  if (PyTuple_GET_SIZE(shape) != array.ndim()) return false;
  for (py::ssize_t i = 0; i < array.ndim(); ++i)
    if (PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i)) != array.shape(i)) return false;
  return array.dtype().ptr() == dtype || array.dtype().equal(py::handle(dtype));
}

// From the result of an operation to its operands.
void through_operation(PyObject* self, py::handle note) {
  const auto gradient = take(self, note);
  PyObject *numbers = PyTuple_GET_ITEM(note.ptr(), 1), *pulls = PyTuple_GET_ITEM(note.ptr(), 2);
  if (gradient.is_none()) return;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(pulls); ++i) {
    const Py_ssize_t number = PyLong_AsSsize_t(PyList_GET_ITEM(numbers, i));
    if (number >= 0) add(self, number, checked(PyObject_CallOneArg(PyTuple_GET_ITEM(pulls, i), gradient.ptr())));
  }
}

// What a part's pullback gives: the result, nothing added yet. A pullback of another kind adds by itself.
py::object pulled(PyObject* self, py::handle pullback, const py::object& found) {
  const bool several = PyTuple_CheckExact(found.ptr());
  PyObject* one = found.ptr();
  PyObject* const* args = several ? PySequence_Fast_ITEMS(found.ptr()) : &one;
  const Py_ssize_t count = several ? PyTuple_GET_SIZE(found.ptr()) : 1;
  if (!is_pullback(pullback))
    return checked(PyObject_Vectorcall(pullback.ptr(), args, static_cast<std::size_t>(count), nullptr));
  const py::tuple both = compute(pullback.ptr(), args, count);
  auto& additions = as<WayBack>(self).additions;
  Py_XSETREF(additions, checked(PySequence_InPlaceConcat(additions, both[1].ptr())).release().ptr());
  return both[0];
}

// From the outputs of a part to its arguments.
void through_part(PyObject* self, py::handle note) {
  static PyObject* const kStateful = interned("stateful");
  PyObject** const noted = PySequence_Fast_ITEMS(note.ptr());
  const py::handle part = noted[0], outputs = noted[2], inputs = noted[3], state = noted[4];
  bool some = false;
  auto found = take_all(self, outputs, some);
  if (!some) return;
  const bool stateful = is_true(attribute(part, kStateful));
  if (!PyTuple_Check(outputs.ptr()) && !stateful)  // which alone promises to take None for zero
    found = py::handle(self).attr("_with_zeros")(found, outputs);
  auto result = pulled(self, noted[1], found);
  if (stateful) {
    const py::tuple both = result;
    send(self, state, both[1], part);
    result = both[0];
  }
  if (PyList_GET_SIZE(inputs.ptr()) == 1)
    send(self, PyList_GET_ITEM(inputs.ptr(), 0), result, part);
  else if (PyList_GET_SIZE(inputs.ptr()) > 1)
    py::handle(self).attr("_send_each")(inputs, result, part);
}

}  // namespace

py::object take(PyObject* self, py::handle place) {
  const Py_ssize_t number = number_of(place);
  if (number < 0) return py::none();
  return py::reinterpret_steal<py::object>(std::exchange(entry(self, number), Py_NewRef(Py_None)));
}

void add(PyObject* self, Py_ssize_t number, py::handle gradient) {
  PyObject*& before = entry(self, number);
  if (!Py_IS_TYPE(gradient.ptr(), py::detail::npy_api::get().PyArray_Type_)) {
    py::handle(self).attr("_add_other")(number, gradient);
  } else if (before == Py_None) {
    Py_SETREF(before, Py_NewRef(gradient.ptr()));
  } else {
    char& own = PyByteArray_AS_STRING(as<WayBack>(self).own)[number];
    const auto sum = checked((own != 0 ? PyNumber_InPlaceAdd : PyNumber_Add)(before, gradient.ptr()));
    py::array array(sum);  // of two without axes, numpy makes a number
    Py_SETREF(entry(self, number), array.release().ptr());
    own = 1;
  }
}

void send(PyObject* self, py::handle places, py::handle gradient, py::handle part) {
  if (places.is_none() || gradient.is_none()) return;
  if (PyTuple_Check(places.ptr()) && PyTuple_GET_SIZE(places.ptr()) == 3 && fits(gradient, places)) {
    if (const Py_ssize_t number = number_of(places); number >= 0) add(self, number, gradient);
  } else {
    py::handle(self).attr("_send_nest")(places, gradient, part);
  }
}

void go_back(PyObject* self, PyObject* notes) {
  while (const Py_ssize_t left = PyList_GET_SIZE(notes)) {
    const auto note = py::reinterpret_borrow<py::object>(PyList_GET_ITEM(notes, left - 1));
    if (PyList_SetSlice(notes, left - 1, left, nullptr) < 0) throw py::error_already_set();
    (PyTuple_GET_SIZE(note.ptr()) == kOperation ? through_operation : through_part)(self, note);
  }
}

}  // namespace pyrnn::bindings
