// SPDX-License-Identifier: Apache-2.0
// The Python object of an attention memory: the keys and values that queries attend to.
#pragma once

#include <variant>

#include "bindings/runtime/arguments.h"
#include "bindings/runtime/initialised.h"
#include "core/operations/attention.h"

namespace pyrnn::bindings {

// The arrays, checked and referenced, and where they lie.
struct MemoryObject {
  std::optional<Pinned> keys, values, v;
  std::vector<std::int64_t> lengths;
  std::variant<Memory<float>, Memory<double>> memory;
};

// The memory of an object of that element type.
template <class T>
const Memory<T>& memory_of(const MemoryObject& object) {
  const Memory<T>* memory = std::get_if<Memory<T>>(&object.memory);
  if (!memory) throw py::type_error(std::string("memory: of another dtype, expected ") + dtype_name<T>());
  return *memory;
}

inline Shape sequence_shape(const Layout& layout, py::ssize_t columns) { return {layout.steps, layout.rows, columns}; }

// The new gradients of a memory.
template <class T>
struct NewMemoryGradient {
  explicit NewMemoryGradient(const Memory<T>& memory)
      : of(memory),
        d_keys(sequence_shape(of.layout, of.key_size)),
        d_values(sequence_shape(of.layout, of.value_size)),
        of_rows(of.v ? Shape{of.layout.rows, of.key_size} : Shape{0}),
        d_v(of.v ? Shape{of.key_size} : Shape{0}),
        pointers{d_keys.data(), d_values.data(), of.v ? of_rows.data() : nullptr},
        sum(d_v.data()) {}
  // Both without the GIL: before and after the pass that adds.
  void clear() {
    std::fill_n(pointers.d_keys, d_keys.bytes / sizeof(T), T(0));
    std::fill_n(pointers.d_values, d_values.bytes / sizeof(T), T(0));
    if (of.v) std::fill_n(pointers.d_v, of_rows.bytes / sizeof(T), T(0));
  }
  void finish() {
    if (of.v) sum_rows<T>(pointers.d_v, of.layout.rows, of.key_size, sum);
  }
  py::object v_gradient() const { return of.v ? py::object(d_v.array) : py::none(); }

  const Memory<T>& of;
  NewArray<T> d_keys, d_values, of_rows, d_v;
  const MemoryGradient<T> pointers;
  T* const sum;
};

}  // namespace pyrnn::bindings

namespace pybind11::detail {
template <>
struct type_caster<pyrnn::bindings::MemoryObject> : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::MemoryObject> {
};
}  // namespace pybind11::detail
