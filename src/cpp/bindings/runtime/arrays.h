// SPDX-License-Identifier: Apache-2.0
// From Python's arrays to typed pointers. Nothing is cast or copied: arrays that the core cannot read are refused.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace pyrnn::bindings {

namespace py = pybind11;

using Shape = std::vector<py::ssize_t>;

inline std::string to_string(const py::ssize_t* sizes, std::size_t ndim) {
  std::string text = "(";
  for (std::size_t i = 0; i < ndim; ++i) text += (i > 0 ? ", " : "") + std::to_string(sizes[i]);
  return text + (ndim == 1 ? ",)" : ")");
}

inline std::string shape_text(const py::array& array) {
  return to_string(array.shape(), static_cast<std::size_t>(array.ndim()));
}

template <class T>
const char* dtype_name() {
  if constexpr (std::is_same_v<T, float>) return "float32";
  if constexpr (std::is_same_v<T, double>) return "float64";
  if constexpr (std::is_same_v<T, std::int64_t>) return "int64";
  if constexpr (std::is_same_v<T, std::uint8_t>) return "uint8";
  if constexpr (std::is_same_v<T, std::int8_t>) return "int8";
  if constexpr (std::is_same_v<T, std::uint16_t>) return "uint16";
  if constexpr (std::is_same_v<T, bool>) return "bool";
}

// An exact ndarray: a masked array or a matrix means something else by its elements.
inline py::array require_ndarray(py::handle value, const std::string& name) {
  if (!Py_IS_TYPE(value.ptr(), py::detail::npy_api::get().PyArray_Type_)) {
    throw py::type_error(name + ": " + Py_TYPE(value.ptr())->tp_name + ", expected numpy.ndarray");
  }
  return py::reinterpret_borrow<py::array>(value);
}

template <class T>
void require_dtype(const py::array& array, const std::string& name) {
  const py::dtype dtype = array.dtype();
  const char order = dtype.byteorder();
  if (dtype.normalized_num() != py::dtype::num_of<T>() || order == '>' || order == '<') {
    throw py::type_error(name + ": dtype " + std::string(py::str(dtype)) + ", expected " + dtype_name<T>() +
                         " in native byte order");
  }
}

// Whether the elements of a row lie side by side, aligned, the rows anyhow: what the core reads of sequences.
inline bool has_whole_rows(const py::array& array) {
  const py::ssize_t size = array.itemsize(), last = array.ndim() - 1;
  if (last < 0 || (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) return false;
  if ((array.flags() & py::array::c_style) != 0) return true;
  const auto is_whole = [&](py::ssize_t stride) { return stride % size == 0; };
  return std::all_of(array.strides(), array.strides() + last, is_whole) &&
         (array.strides(last) == size || array.shape(last) == 1 || array.size() == 0);
}

inline void require_layout(const py::array& array, const std::string& name) {
  if ((array.flags() & py::array::c_style) == 0) {
    throw std::invalid_argument(name + ": not contiguous, expected a C-contiguous array");
  }
  if ((array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) {
    throw std::invalid_argument(name + ": misaligned, expected an aligned array");
  }
}

// The elements of an array lie in [begin, end).
struct Extent {
  const char *begin, *end;
};
inline Extent extent_of(const py::array& array) {
  const auto* data = static_cast<const char*>(array.data());
  if (array.size() == 0) return {data, data};
  Extent extent{data, data + array.itemsize()};
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    const py::ssize_t reach = (array.shape(axis) - 1) * array.strides(axis);
    (reach < 0 ? extent.begin : extent.end) += reach;
  }
  return extent;
}

// Of the array that has the memory: a view's is its base's. ValueError if the view's elements are not there any more,
// since another thread has resized the base between the making of the view and now.
inline py::weakref weak_reference(const py::array& array) {
  py::array owner = array;
  const auto base_of = [](const py::array& of) { return py::handle(py::detail::array_proxy(of.ptr())->base); };
  while (base_of(owner) && py::isinstance<py::array>(base_of(owner)))
    owner = py::reinterpret_borrow<py::array>(base_of(owner));
  py::weakref reference(owner, py::handle());
  if (owner.ptr() != array.ptr() && owner.owndata() && array.size() > 0) {
    const Extent view = extent_of(array), memory = extent_of(owner);
    if (view.begin < memory.begin || view.end > memory.end)
      throw std::invalid_argument("an array of shape " + shape_text(array) +
                                  ": the array that it is a view of was resized meanwhile");
  }
  return reference;
}

// An array that the core points into without the GIL, or beyond a call. numpy resizes in place, whatever references
// there are (`refcheck=False`), but not an array that has a weak one.
class Pinned : public py::array {
 public:
  explicit Pinned(const py::array& array) : py::array(array), weak_(weak_reference(array)) {}

 private:
  py::weakref weak_;
};

constexpr int kAnyNdim = -1;

// `value` as an array that the core can read: ndarray, T in native byte order, `ndim` axes, C-contiguous, aligned. It
// is pinned first: what is checked then stays so.
template <class T>
Pinned require_array(py::handle value, const std::string& name, int ndim = kAnyNdim) {
  Pinned array(require_ndarray(value, name));
  require_dtype<T>(array, name);
  if (ndim != kAnyNdim && array.ndim() != ndim) {
    throw std::invalid_argument(name + ": shape " + shape_text(array) + ", expected " + std::to_string(ndim) +
                                (ndim == 1 ? " axis" : " axes"));
  }
  require_layout(array, name);
  return array;
}

// `meaning` explains the sizes: "(T, B, input_size)".
inline void require_shape(const py::array& array, const std::string& name, const Shape& expected, const char* meaning) {
  const auto ndim = static_cast<std::size_t>(array.ndim());
  if (ndim == expected.size() && std::equal(expected.begin(), expected.end(), array.shape())) return;
  throw std::invalid_argument(name + ": shape " + shape_text(array) + ", expected " +
                              to_string(expected.data(), expected.size()) + " = " + meaning);
}

template <class T>
Pinned require_array(py::handle value, const std::string& name, const Shape& shape, const char* meaning) {
  Pinned array = require_array<T>(value, name);
  require_shape(array, name, shape, meaning);
  return array;
}

// Empty for None.
template <class T>
std::optional<Pinned> optional_array(py::handle value, const std::string& name, const Shape& shape,
                                     const char* meaning) {
  if (value.is_none()) return std::nullopt;
  return require_array<T>(value, name, shape, meaning);
}

inline void require_writeable(const py::array& array, const std::string& name) {
  if (!array.writeable()) throw std::invalid_argument(name + ": read-only, expected a writeable array");
}

// A Python object with an empty T in it, to be filled. It is made before there is something to hold: what fails while
// pybind11 makes it would free the T twice.
template <class T>
py::object new_object() {
  return py::cast(T{}, py::return_value_policy::move);
}

// The pointers, good for as long as the array is pinned; null for an array that is absent.
template <class T>
const T* data(const Pinned& array) {
  return static_cast<const T*>(array.data());
}
template <class T>
const T* data(Pinned&&) = delete;

template <class T>
const T* data(const std::optional<Pinned>& array) {
  return array ? data<T>(*array) : nullptr;
}
template <class T>
const T* data(std::optional<Pinned>&&) = delete;

template <class T>
T* writeable_data(const Pinned& array, const std::string& name) {
  require_writeable(array, name);
  return const_cast<T*>(data<T>(array));
}
template <class T>
T* writeable_data(Pinned&&, const std::string&) = delete;

template <class T>
T* writeable_data(const std::optional<Pinned>& array, const std::string& name) {
  return array ? writeable_data<T>(*array, name) : nullptr;
}
template <class T>
T* writeable_data(std::optional<Pinned>&&, const std::string&) = delete;

// A new array, not zeroed, and the pointer to fill it: its memory is in C order. Of a sequence (T, B, columns) Python
// may see (B, T, columns), which no view has to be made for.
template <class T>
struct NewArray {
  explicit NewArray(const Shape& shape, bool batch_first = false)
      : array(batch_first ? swapped(shape) : py::array(py::dtype::of<T>(), shape)),
        bytes(static_cast<std::size_t>(array.nbytes())) {}
  T* data() { return static_cast<T*>(array.mutable_data()); }
  py::array array;
  std::size_t bytes;  // known here, since array.nbytes() needs the GIL

 private:
  static py::array swapped(const Shape& shape) {
    const py::ssize_t steps = shape[0], rows = shape[1], size = sizeof(T), row = shape[2] * size;
    return py::array(py::dtype::of<T>(), Shape{rows, steps, shape[2]}, Shape{row, rows * row, size});
  }
};

template <class T>
py::object or_none(const std::optional<NewArray<T>>& array) {
  return array ? py::object(array->array) : py::none();
}

}  // namespace pyrnn::bindings
