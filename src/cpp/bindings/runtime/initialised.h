// SPDX-License-Identifier: Apache-2.0
// The C++ objects of instances of pyrnn's types. If __init__ never ran (X.__new__(X)), pybind11 would return an object
// in memory that was never written.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <utility>

namespace pyrnn::bindings {

namespace py = pybind11;

// The T of an instance of its type; TypeError if it was never initialised.
template <class T>
T& initialised(py::handle self) {
  auto* instance = reinterpret_cast<py::detail::instance*>(self.ptr());
  void* object = instance->simple_layout
                     ? instance->simple_value_holder[0]
                     : instance->get_value_and_holder(py::detail::get_type_info(typeid(T))).value_ptr();
  if (object == nullptr)
    throw py::type_error(std::string(Py_TYPE(self.ptr())->tp_name) +
                         ": __init__ never ran, expected an object that pyrnn made");
  return *static_cast<T*>(object);
}

// Gives the type an __init__: the object is `make(args...)`. After py::init's own, pybind11 enters the object in its
// tables where nothing catches an exception, so that an allocation that fails there would end the process.
template <class T, class... Args, class... Extra>
void def_init(py::class_<T>& type, T (*make)(Args...), const Extra&... extra) {
  const auto init = [make](py::detail::value_and_holder& slot, Args... args) {
    std::unique_ptr<T> object(new T(make(std::forward<Args>(args)...)));
    slot.value_ptr() = object.get();
    try {
      slot.type->init_instance(slot.inst, nullptr);
    } catch (...) {
      slot.value_ptr() = nullptr;
      throw;
    }
    object.release();  // the instance owns it now
  };
  type.def("__init__", init, py::detail::is_new_style_constructor(), extra...);
}

// The base of type_caster<T>: every argument of type T is checked.
template <class T>
struct InitialisedCaster : py::detail::type_caster_base<T> {
  bool load(py::handle source, bool convert) {
    if (py::isinstance<T>(source)) initialised<T>(source);
    return py::detail::type_caster_base<T>::load(source, convert);
  }
};

}  // namespace pyrnn::bindings
