// SPDX-License-Identifier: Apache-2.0
// TensorLibrary: a library of tensors as the layers' calls see it.
#include "bindings/runtime/tensors.h"

namespace pyrnn::bindings {
namespace {

constexpr std::uint32_t kMajor = 1;
constexpr const char* kApiName = "dlpack_exchange_api";

// Null unless the table is of a version that is known here, and has what is called.
const DlExchangeApi* known_api(const py::object& capsule) {
  if (capsule.is_none()) return nullptr;
  if (!PyCapsule_CheckExact(capsule.ptr()))
    throw py::type_error("api: no capsule, expected a table of functions or None");
  const auto* const api = static_cast<const DlExchangeApi*>(PyCapsule_GetPointer(capsule.ptr(), kApiName));
  if (api == nullptr) throw py::error_already_set();
  return api->major == kMajor && api->view != nullptr ? api : nullptr;
}

TensorLibrary make_library(const py::object& api, const py::tuple& classes, const py::tuple& watchers,
                           const py::object& is_negated, const py::object& needs_gradients, const py::object& threads) {
  for (const py::handle type : classes)
    if (!PyType_Check(type.ptr())) throw py::type_error("classes: not all are types");
  return {known_api(api), classes, watchers, is_negated, needs_gradients, threads};
}

// Whether tensors on the CPU hold numbers as they lie in memory, and nobody watches or changes what is done with them.
bool are_plain(const TensorLibrary& library, const py::list& tensors) {
  if (library.is_watched()) return false;
  for (const py::handle tensor : py::tuple(tensors))
    if (!tensor.is_none() && !library.is_plain(tensor)) return false;
  return true;
}

py::list arrays_of_library(const TensorLibrary& library, const py::list& tensors, std::size_t sequences) {
  require(library.api != nullptr, "api: of another major version, or without views");
  return arrays_of(*library.api, tensors, sequences);
}

}  // namespace

void register_tensors(py::module_& m) {
  py::class_<TensorLibrary> library(m, "TensorLibrary");
  def_init(library, &make_library, py::arg("api"), py::arg("classes"), py::arg("watchers"), py::arg("is_negated"),
           py::arg("needs_gradients"), py::arg("threads"));
  library.def_property_readonly("offers_views", [](const TensorLibrary& of) { return of.api != nullptr; })
      .def("are_plain", &are_plain, py::arg("tensors"))
      .def("arrays_of", &arrays_of_library, py::arg("tensors"), py::arg("sequences"));
}

}  // namespace pyrnn::bindings
