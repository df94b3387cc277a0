// SPDX-License-Identifier: Apache-2.0
// Tensors of another library as arrays, through DLPack's exchange API (1.3): a table of C functions that the library's
// tensor type has as an attribute. A call takes a fraction of what the library's own method takes in Python.
#include <algorithm>

#include "bindings/runtime/arguments.h"

namespace pyrnn::bindings {
namespace {

// The standard's structs, as far as they are read.
struct DlTensor {
  void* data;
  std::int32_t device_type, device_id;
  std::int32_t ndim;
  std::uint8_t type_code, type_bits;
  std::uint16_t type_lanes;
  const std::int64_t* shape;
  const std::int64_t* strides;  // in elements; null: C order
  std::uint64_t byte_offset;
};
struct DlExchangeApi {
  std::uint32_t major, minor;
  const void* previous;
  void *allocate, *to_managed, *from_managed;
  int (*view)(PyObject* tensor, DlTensor* out);  // -1 with Python's error set; null: not offered
  void* current_stream;
};
constexpr std::uint32_t kMajor = 1;
constexpr std::int32_t kCpu = 1;
constexpr const char* kApiName = "dlpack_exchange_api";

const DlExchangeApi& api_of(const py::capsule& capsule) {
  const auto* const api = static_cast<const DlExchangeApi*>(PyCapsule_GetPointer(capsule.ptr(), kApiName));
  if (api == nullptr) throw py::error_already_set();
  return *api;
}

// Whether the table is of a version that is known here, and has what is called.
bool offers_views(const py::capsule& capsule) {
  const DlExchangeApi& api = api_of(capsule);
  return api.major == kMajor && api.view != nullptr;
}

py::dtype dtype_of(const DlTensor& tensor) {
  constexpr std::uint8_t kFloat = 2;
  if (tensor.type_code == kFloat && tensor.type_bits == 32 && tensor.type_lanes == 1) return py::dtype::of<float>();
  constexpr char kKinds[] = {'i', 'u', 'f', 0, 0, 'c', 'b'};  // by the standard's codes
  const char kind = tensor.type_code < sizeof kKinds ? kKinds[tensor.type_code] : char{0};
  if (kind == 0 || tensor.type_lanes != 1) throw py::type_error("tensor: of a dtype that numpy does not have");
  return py::dtype(std::string(1, kind) + std::to_string(tensor.type_bits / 8));
}

// The tensor's memory, for as long as the tensor keeps it.
py::array view_of(const DlTensor& tensor, py::handle owner) {
  require(tensor.device_type == kCpu, "tensor: on device type ", tensor.device_type, ", expected the CPU");
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
  return py::array(dtype, shape, strides, static_cast<const char*>(tensor.data) + tensor.byte_offset, owner);
}

// Arrays of tensors, None for None. The first `sequences` need whole rows alone, the others are C-contiguous: a tensor
// that is not so is copied.
py::list arrays_of(const py::capsule& capsule, const py::list& tensors, std::size_t sequences) {
  require(offers_views(capsule), "api: of another major version, or without views");
  const DlExchangeApi& api = api_of(capsule);
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

}  // namespace

void register_tensors(py::module_& m) {
  m.def("offers_views", &offers_views, py::arg("api"));
  m.def("arrays_of", &arrays_of, py::arg("api"), py::arg("tensors"), py::arg("sequences"));
}

}  // namespace pyrnn::bindings
