// SPDX-License-Identifier: Apache-2.0
// Tensors of another library, through DLPack's exchange API (1.3): a table of C functions that the library's tensor
// type has as an attribute. A call takes a fraction of what the library's own method takes in Python.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "bindings/runtime/arguments.h"
#include "bindings/runtime/initialised.h"

namespace pyrnn::bindings {

// The standard's structs, as far as they are used.
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
struct DlManagedTensor {
  std::uint32_t major, minor;
  void* context;
  void (*deleter)(DlManagedTensor*);
  std::uint64_t flags;
  DlTensor tensor;
};
struct DlExchangeApi {
  std::uint32_t major, minor;
  const void* previous;
  void *allocate, *to_managed;
  int (*from_managed)(DlManagedTensor* stolen, void** object);  // -1 with Python's error set, as below
  int (*view)(PyObject* tensor, DlTensor* out);                 // null: not offered
  void* current_stream;
};
constexpr std::int32_t kDlCpu = 1;
constexpr std::uint8_t kDlFloat = 2;

// Arrays of tensors, None for None. The first `sequences` need whole rows alone, the others are C-contiguous: a tensor
// that is not so is copied.
py::list arrays_of(const DlExchangeApi& api, const py::list& tensors, std::size_t sequences);

// A library of tensors: what of it is asked and called in each call of a layer.
struct TensorLibrary {
  const DlExchangeApi* api;  // null: the library has none of a version that is known here
  py::tuple classes;         // of tensors that are memory and nothing else; subclasses may mean something else
  py::tuple watchers;  // functions without arguments: is what is done with tensors seen, or changed, elsewhere?
  py::object is_negated;  // of a tensor: are its numbers those in memory with another sign?
  py::object needs_gradients;  // whether operations are noted for a backward pass
  py::object threads;

  bool is_watched() const;
  bool is_plain(py::handle tensor) const;
  // The memory of a plain tensor on the CPU; nothing if it is none, or has no memory.
  std::optional<DlTensor> memory_of(py::handle tensor) const;
};

// A truth value that a function without arguments gives.
bool asks(py::handle function);

inline bool is_c_contiguous(const DlTensor& tensor) {
  std::int64_t expected = 1;
  for (std::int32_t axis = tensor.ndim; tensor.strides != nullptr && axis-- > 0;) {
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != expected) return false;
    expected *= tensor.shape[axis];
  }
  return true;
}

template <class T>
bool is_of(const DlTensor& tensor) {
  return tensor.type_code == kDlFloat && tensor.type_bits == 8 * sizeof(T) && tensor.type_lanes == 1;
}

template <class T>
const T* data_of(const DlTensor& tensor) {
  return reinterpret_cast<const T*>(static_cast<const char*>(tensor.data) + tensor.byte_offset);
}

// A new tensor of at most three axes, not zeroed, and the pointer to fill it.
template <class T>
class NewTensor {
 public:
  using Sizes = std::span<const std::int64_t>;
  // `strides` in elements; the memory holds as many elements as the shape says.
  NewTensor(Sizes shape, Sizes strides) : block_(make(shape, strides)) {}
  ~NewTensor() {
    if (block_ != nullptr) release(&block_->managed);
  }
  NewTensor(NewTensor&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  NewTensor& operator=(NewTensor&&) = delete;
  T* data() { return static_cast<T*>(block_->managed.tensor.data); }
  // The tensor, once.
  py::object take(const TensorLibrary& library) {
    void* object = nullptr;
    if (library.api->from_managed(&std::exchange(block_, nullptr)->managed, &object) != 0)
      throw py::error_already_set();
    return py::reinterpret_steal<py::object>(static_cast<PyObject*>(object));
  }

 private:
  static constexpr std::size_t kLine = 64;
  struct Head {
    DlManagedTensor managed;
    std::int64_t shape[3], strides[3];
  };

  static Head* make(Sizes shape, Sizes strides) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    constexpr std::size_t kHead = (sizeof(Head) + kLine - 1) / kLine * kLine;
    auto* const memory = static_cast<char*>(::operator new(kHead + count * sizeof(T), std::align_val_t{kLine}));
    auto* const head = new (memory) Head{};
    std::copy(shape.begin(), shape.end(), head->shape);
    std::copy(strides.begin(), strides.end(), head->strides);
    head->managed = {.major = 1,
                     .minor = 0,
                     .context = nullptr,
                     .deleter = &release,
                     .flags = 0,
                     .tensor = {.data = memory + kHead,
                                .device_type = kDlCpu,
                                .device_id = 0,
                                .ndim = static_cast<std::int32_t>(shape.size()),
                                .type_code = kDlFloat,
                                .type_bits = 8 * sizeof(T),
                                .type_lanes = 1,
                                .shape = head->shape,
                                .strides = head->strides,
                                .byte_offset = 0}};
    return head;
  }
  static void release(DlManagedTensor* managed) {
    ::operator delete(static_cast<void*>(managed), std::align_val_t{kLine});  // the block's first member
  }

  Head* block_;
};

}  // namespace pyrnn::bindings

namespace pybind11::detail {
template <>
struct type_caster<pyrnn::bindings::TensorLibrary>
    : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::TensorLibrary> {};
}  // namespace pybind11::detail
