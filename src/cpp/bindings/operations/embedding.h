// SPDX-License-Identifier: Apache-2.0
// A table of embeddings as Python has it: an array of floats, or one of uint16 with the bits of bf16.
#pragma once

#include "bindings/runtime/arguments.h"
#include "core/operations/embedding.h"

namespace pyrnn::bindings {

inline bool is_bf16(py::handle weight) {
  return require_ndarray(weight, "weight").dtype().normalized_num() == py::dtype::num_of<std::uint16_t>();
}

template <class T>
Pinned require_table(py::handle weight) {
  if (std::is_same_v<T, float> && is_bf16(weight)) return require_array<std::uint16_t>(weight, "weight", 2);
  return require_array<T>(weight, "weight", 2);
}

template <class T>
EmbeddingTable<T> read_table(const Pinned& weight) {
  EmbeddingTable<T> table{.count = weight.shape(0), .columns = weight.shape(1)};
  if (is_bf16(weight))
    table.bf16 = reinterpret_cast<const kernels::Bf16*>(data<std::uint16_t>(weight));
  else
    table.rows = data<T>(weight);
  return table;
}

}  // namespace pyrnn::bindings
