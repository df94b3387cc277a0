// SPDX-License-Identifier: Apache-2.0
// Attention: check every array again, release the GIL, call the core once.
#include "bindings/operations/attention.h"

#include "bindings/runtime/interrupt.h"
#include "core/operations/dropout.h"

namespace pyrnn::bindings {
namespace {

MemoryObject make_memory(py::handle keys_in, py::handle values_in, py::handle lengths_in, py::handle v_in, double scale,
                         double p, std::uint64_t seed, std::uint64_t draw, std::uint32_t first_row) {
  require(p >= 0 && p <= 1, "p: ", p, ", expected 0 to 1");
  return with_type_of(keys_in, "keys", [&](auto type) {
    using T = decltype(type);
    const Pinned keys = require_array<T>(keys_in, "keys", 3), values = require_array<T>(values_in, "values", 3);
    const py::ssize_t steps = keys.shape(0), rows = keys.shape(1);
    const Layout layout{steps, rows};
    require_shape(values, "values", sequence_shape(layout, values.shape(2)), "the steps and rows of keys");
    const auto v = optional_array<T>(v_in, "v", {keys.shape(2)}, "(key_size,)");
    auto lengths = checked_lengths(require_array<std::int64_t>(lengths_in, "lengths", {rows}, "(batch,)"), steps);
    MemoryObject object{keys, values, v, std::move(lengths), Memory<T>{}};
    object.memory = Memory<T>{.layout = layout,
                              .key_size = keys.shape(2),
                              .value_size = values.shape(2),
                              .keys = data<T>(keys),
                              .values = data<T>(values),
                              .lengths = object.lengths.data(),  // stays where it is when the vector is moved
                              .v = data<T>(v),
                              .scale = static_cast<T>(scale)};
    if (p > 0) std::get<Memory<T>>(object.memory).dropout = dropout_row_of<T>({p, seed, draw, 0, first_row});
    return object;
  });
}

// The layout of queries that belong to a memory.
template <class T>
Layout layout_of(const Memory<T>& memory, const py::array& queries) {
  const Layout layout{queries.shape(0), memory.layout.rows};
  require_shape(queries, "queries", sequence_shape(layout, memory.key_size), "(T, batch, key_size) as the memory's");
  return layout;
}

// (contexts, weights, the same after dropout)
py::tuple run_attention_forward(const MemoryObject& object, py::handle queries_in, int threads) {
  checked_threads(threads);
  return std::visit(
      [&]<class T>(const Memory<T>& memory) {
        const Pinned queries = require_array<T>(queries_in, "queries", 3);
        const Layout layout = layout_of(memory, queries);
        NewArray<T> contexts(sequence_shape(layout, memory.value_size));
        NewArray<T> weights(sequence_shape(layout, memory.layout.steps));
        std::optional<NewArray<T>> dropped;
        if (memory.dropout) dropped.emplace(shape_of(weights.array));
        const Queries<T> call{layout, data<T>(queries), weights.data(), dropped ? dropped->data() : nullptr,
                              contexts.data()};
        without_gil([&] {
          std::fill_n(call.weights, weights.bytes / sizeof(T), T(0));
          if (dropped) std::fill_n(call.dropped, weights.bytes / sizeof(T), T(0));
          attention_forward<T>(memory, call, threads, interrupted);
        });
        return py::make_tuple(contexts.array, weights.array, dropped ? dropped->array : weights.array);
      },
      object.memory);
}

// (dqueries, dkeys, dvalues, dv or None)
py::tuple run_attention_backward(const MemoryObject& object, py::handle queries_in, py::handle weights_in,
                                 py::handle dcontexts_in, py::handle dweights_in, int threads) {
  checked_threads(threads);
  return std::visit(
      [&]<class T>(const Memory<T>& memory) {
        const Pinned queries = require_array<T>(queries_in, "queries", 3);
        const Layout layout = layout_of(memory, queries);
        const Shape weights_shape = sequence_shape(layout, memory.layout.steps);
        const Pinned weights = require_array<T>(weights_in, "weights", weights_shape, "(T, batch, S)");
        const Pinned dcontexts = require_array<T>(dcontexts_in, "dcontexts", sequence_shape(layout, memory.value_size),
                                                  "(T, batch, value_size)");
        const auto dweights = optional_array<T>(dweights_in, "dweights", weights_shape, "(T, batch, S)");
        NewArray<T> dqueries(shape_of(queries));
        NewMemoryGradient<T> gradient(memory);
        const Queries<T> call{layout, data<T>(queries), const_cast<T*>(data<T>(weights)), nullptr, nullptr};
        without_gil([&, d = data<T>(dcontexts), dw = data<T>(dweights), to = dqueries.data()] {
          gradient.clear();
          attention_backward<T>(memory, call, {d, dw, to}, gradient.pointers, threads, interrupted);
          gradient.finish();
        });
        return py::make_tuple(dqueries.array, gradient.d_keys.array, gradient.d_values.array, gradient.v_gradient());
      },
      object.memory);
}

}  // namespace

void register_attention(py::module_& m) {
  py::class_<MemoryObject> memory(m, "Memory", py::is_final());
  def_init(memory, &make_memory, py::arg("keys"), py::arg("values"), py::arg("lengths"), py::arg("v").none(true),
           py::arg("scale"), py::arg("p") = 0.0, py::arg("seed") = 0, py::arg("draw") = 0, py::arg("first_row") = 0);
  m.def("attention_forward", &run_attention_forward, py::arg("memory"), py::arg("queries"), py::arg("threads"));
  m.def("attention_backward", &run_attention_backward, py::arg("memory"), py::arg("queries"), py::arg("weights"),
        py::arg("dcontexts"), py::arg("dweights").none(true), py::arg("threads"));
}

}  // namespace pyrnn::bindings
