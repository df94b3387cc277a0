// SPDX-License-Identifier: Apache-2.0
#include "bindings/runtime/tensors.h"

namespace pyrnn::bindings {
namespace {

py::dtype dtype_of(const DlTensor& tensor) {
  if (tensor.type_code == kDlFloat && tensor.type_bits == 32 && tensor.type_lanes == 1) return py::dtype::of<float>();
  constexpr char kKinds[] = {'i', 'u', 'f', 0, 0, 'c', 'b'};  // by the standard's codes
  const char kind = tensor.type_code < sizeof kKinds ? kKinds[tensor.type_code] : char{0};
  if (kind == 0 || tensor.type_lanes != 1) throw py::type_error("tensor: of a dtype that numpy does not have");
  return py::dtype(std::string(1, kind) + std::to_string(tensor.type_bits / 8));
}

// The tensor's memory, for as long as the tensor keeps it.
py::array view_of(const DlTensor& tensor, py::handle owner) {
  require(tensor.device_type == kDlCpu, "tensor: on device type ", tensor.device_type, ", expected the CPU");
  const auto ndim = static_cast<std::size_t>(tensor.ndim);
  const py::dtype dtype = dtype_of(tensor);
  const Shape shape(tensor.shape, tensor.shape + ndim);
  if (tensor.data == nullptr) {
    const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
    require(empty, "tensor: its memory was freed, expected a tensor with memory");
    return py::array(dtype, shape);
  }
  Shape strides;
  for (std::size_t axis = 0; tensor.strides && axis < ndim; ++axis)
    strides.push_back(tensor.strides[axis] * dtype.itemsize());
  return py::array(dtype, shape, strides, data_of<char>(tensor), owner);
}

}  // namespace

py::list arrays_of(const DlExchangeApi& api, const py::list& tensors, std::size_t sequences) {
  py::list arrays;
  for (const py::handle tensor : py::tuple(tensors)) {
    if (tensor.is_none()) {
      arrays.append(py::none());
      continue;
    }
    DlTensor view{};
    if (api.view(tensor.ptr(), &view) != 0) throw py::error_already_set();
    const py::array array = view_of(view, tensor);
    const bool c_order = (array.flags() & py::array::c_style) != 0;
    const bool fits = c_order || (arrays.size() < sequences && has_whole_rows(array));
    arrays.append(fits ? py::object(array) : py::module_::import("numpy").attr("ascontiguousarray")(array));
  }
  return arrays;
}

bool asks(py::handle function) {
  const auto answer = py::reinterpret_steal<py::object>(PyObject_CallNoArgs(function.ptr()));
  const int truth = answer ? PyObject_IsTrue(answer.ptr()) : -1;
  if (truth < 0) throw py::error_already_set();
  return truth != 0;
}

bool TensorLibrary::is_watched() const { return std::any_of(watchers.begin(), watchers.end(), &asks); }

bool TensorLibrary::is_plain(py::handle tensor) const {
  const auto is_of_class = [&](py::handle known) { return Py_IS_TYPE(tensor.ptr(), (PyTypeObject*)known.ptr()); };
  if (std::none_of(classes.begin(), classes.end(), is_of_class)) return false;
  const auto negated = py::reinterpret_steal<py::object>(PyObject_CallOneArg(is_negated.ptr(), tensor.ptr()));
  if (!negated) throw py::error_already_set();
  return negated.is(py::handle(Py_False));
}

std::optional<DlTensor> TensorLibrary::memory_of(py::handle tensor) const {
  if (!is_plain(tensor)) return std::nullopt;
  DlTensor view{};
  if (api->view(tensor.ptr(), &view) != 0) {
    PyErr_Clear();  // the general way says what is wrong
    return std::nullopt;
  }
  if (view.device_type != kDlCpu || view.data == nullptr) return std::nullopt;
  return view;
}

}  // namespace pyrnn::bindings
