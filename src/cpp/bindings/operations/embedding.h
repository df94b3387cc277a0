// SPDX-License-Identifier: Apache-2.0
// A table of embeddings as Python has it: an array of floats; for float32 also one of uint16 with the bits of bf16, or
// a tuple (int8 (V, E), scales (V,)).
#pragma once

#include "bindings/runtime/arguments.h"
#include "core/operations/embedding.h"

namespace pyrnn::bindings {

inline bool has_dtype(py::handle array, const py::dtype& dtype) {
  return require_ndarray(array, "weight").dtype().equal(dtype);
}
inline bool is_bf16(py::handle weight) { return has_dtype(weight, py::dtype::of<std::uint16_t>()); }

// Calls f(T{}) with the type of a table's rows.
template <class F>
auto with_type_of_table(py::handle weight, F&& f) {
  if (py::isinstance<py::tuple>(weight) || is_bf16(weight)) return f(float{});
  return with_type_of(weight, "weight", f);
}

template <class T>
class TableArrays {
 public:
  explicit TableArrays(py::handle weight) {
    if (std::is_same_v<T, float> && py::isinstance<py::tuple>(weight)) {
      const auto parts = py::reinterpret_borrow<py::tuple>(weight);
      require(parts.size() == 2, "weight: a tuple of ", static_cast<py::ssize_t>(parts.size()),
              ", expected (numbers, scales)");
      numbers = require_array<std::int8_t>(parts[0], "weight[0]", 2);
      scale = require_array<T>(parts[1], "weight[1]", {numbers->shape(0)}, "(num_embeddings,)");
    } else if (std::is_same_v<T, float> && is_bf16(weight)) {
      numbers = require_array<std::uint16_t>(weight, "weight", 2);
    } else {
      numbers = require_array<T>(weight, "weight", 2);
    }
  }
  EmbeddingTable<T> table() const {
    EmbeddingTable<T> table{.count = numbers->shape(0), .columns = numbers->shape(1)};
    if (scale) {
      table.int8 = reinterpret_cast<const kernels::Int8*>(data<std::int8_t>(*numbers));
      table.scale = data<T>(*scale);
    } else if (is_bf16(*numbers)) {
      table.bf16 = reinterpret_cast<const kernels::Bf16*>(data<std::uint16_t>(*numbers));
    } else {
      table.rows = data<T>(*numbers);
    }
    return table;
  }
  std::optional<Pinned> numbers, scale;
};

}  // namespace pyrnn::bindings
