// SPDX-License-Identifier: Apache-2.0
// Training as two functions of arrays: what the forward pass leaves for the backward pass is an array, too, which the
// automatic differentiation of another library can keep. More methods of Stack.
#include <pybind11/stl.h>

#include "bindings/recurrent/pass_arguments.h"
#include "bindings/runtime/interrupt.h"
#include "core/recurrent/split.h"
#include "core/runtime/isa.h"

namespace pyrnn::bindings {
namespace {

constexpr std::uintptr_t kAlignment = 64;

// Bytes (n,) of the thread's pool, to which they return with the array.
py::array workspace(py::ssize_t bytes) {
  require(bytes >= 0, "bytes: ", bytes, ", expected at least 0");
  auto block = std::make_unique<Block>(static_cast<std::size_t>(bytes));
  auto* const data = reinterpret_cast<std::uint8_t*>(block->data());
  const py::capsule owner(block.get(), [](void* pointer) { delete static_cast<Block*>(pointer); });
  block.release();
  return py::array_t<std::uint8_t>(Shape{bytes}, data, owner);
}

// `rows`: all steps of all sequences, or more; the fewest bytes for which nothing else has to be known. With resets,
// each piece of a sequence is one, and the call is ragged.
std::size_t saved_bytes(const Stack& stack, py::ssize_t rows, py::ssize_t sequences, bool ragged, bool packed) {
  require(rows >= 0, "rows: ", rows, ", expected at least 0");
  require(sequences >= 0, "sequences: ", sequences, ", expected at least 0");
  return with_type(stack.single, [&](auto type) {
    return Saved<decltype(type)>::bytes(stack.shape, active_kernels(), {rows, sequences, !ragged, packed, true});
  });
}

// How a call of so many rows and steps is shared: (members that have something to do, whether they share the units of
// all rows).
std::pair<int, bool> members(const Stack& stack, py::ssize_t rows, py::ssize_t steps, int threads) {
  require(rows >= 0, "rows: ", rows, ", expected at least 0");
  require(steps >= 0, "steps: ", steps, ", expected at least 0");
  checked_threads(threads);
  return with_type(stack.single, [&](auto type) {
    using T = decltype(type);
    const Index lanes = kernels::of_type<T>(active_kernels()).lanes;
    const Split split = Split::plan(stack.shape, Batch(steps, rows, nullptr), lanes, sizeof(T), threads);
    const Index parts = split.by_units ? ceil_div(stack.shape.hidden, 4 * lanes) : larger(1, rows);
    return std::pair{static_cast<int>(smaller(split.threads, parts)), split.by_units};
  });
}

// (seed, draw) of dropout; None: nothing is dropped.
using Key = std::optional<std::pair<std::uint64_t, std::uint64_t>>;
std::optional<DropoutKey> dropout_key(const Key& key) {
  if (!key) return std::nullopt;
  return DropoutKey{key->first, key->second};
}

GivenMemory memory_of(const Pinned& array) {
  require_writeable(array, "saved");
  auto* const data = static_cast<std::byte*>(const_cast<void*>(array.data()));
  require(reinterpret_cast<std::uintptr_t>(data) % kAlignment == 0, "saved: misaligned, expected whole cache lines");
  return {data, static_cast<std::size_t>(array.nbytes())};
}

py::tuple run_forward_into(const Stack& stack, py::handle saved, const Packed& packed, py::handle x, py::handle h0,
                           py::handle c0, py::handle lengths, bool packed_rows, const Key& key, int threads,
                           py::handle resets, bool reset_to_given) {
  checked_threads(threads);
  require_plain(stack);
  const Pinned memory = require_array<std::uint8_t>(saved, "saved", 1);
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    ForwardCall<T> call(stack, packed, {x, h0, c0, lengths, false, false, packed_rows, resets, reset_to_given});
    const Training training{dropout_key(key), 0, threads, memory_of(memory)};
    without_gil([&] {
      call.clear_padding();
      forward_train<T>(stack.shape, call.weights_of_type(), call.batch, call.sequences, training, interrupted);
    });
    return py::make_tuple(call.y.array, call.hn.array, call.cell_state());
  });
}

// The arguments of the forward pass again, and the gradients of its results. `saved` is spent.
py::tuple run_backward_from(const Stack& stack, py::handle saved_in, const py::list& arrays, py::handle x,
                            py::handle lengths, bool packed_rows, const Key& key, py::handle dy, py::handle dhn,
                            py::handle dcn, bool need_dx, bool need_dw, int threads, py::handle resets,
                            bool reset_to_given) {
  checked_threads(threads);
  require_plain(stack);
  const Pinned memory = require_array<std::uint8_t>(saved_in, "saved", 1);
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    const WeightArrays<const T> weights(stack.shape, arrays, "weights");
    const Pinned sequences = require_rows<T>(x, "x", packed_rows ? 2 : 3);
    const SequenceAxes axes = axes_of(sequences, lengths, packed_rows);
    require_shape(sequences, "x", axes.with(stack.shape.input), "the shape of the forward pass' x");
    const Batch batch = batch_of(axes, lengths, resets, reset_to_given);
    auto packed = std::make_shared<const PackedWeights<T>>(active_kernels_for(stack.shape), stack.shape, weights.all,
                                                           threads, Packs::unit_by_unit);
    auto tape = std::make_unique<Tape<T>>(stack.shape, std::move(packed), batch,
                                          Sequences<T>{.x = data<T>(sequences), .x_strides = strides_of<T>(sequences)},
                                          dropout_key(key), memory_of(memory));
    tape->save_all();
    SavedForward from{stack, kept_with(sequences), axes, std::move(tape)};
    Unspent<T> saved(from);
    const py::none none;
    BackwardCall<T> call(from, saved.tape(), {dy, dhn, dcn, none, need_dx, false, need_dw});
    const auto nothing = [] {};
    py::object gradients = run_back(stack, saved, weights, call, threads, nothing, nothing, memory);
    return py::make_tuple(call.input_gradient(), call.dh0.array, call.cell_gradient(), gradients);
  });
}

}  // namespace

void register_functional(py::module_& m) {
  m.def("workspace", &workspace, py::arg("bytes"));
  auto stack = py::reinterpret_borrow<py::class_<Stack>>(m.attr("Stack"));
  const auto optional = [](const char* name) { return py::arg(name).none(true); };
  stack.def("members", &members, py::arg("rows"), py::arg("steps"), py::arg("threads"))
      .def("saved_bytes", &saved_bytes, py::arg("rows"), py::arg("sequences"), py::arg("ragged"), py::arg("packed"))
      .def("forward_into", &run_forward_into, py::arg("saved"), py::arg("packed"), py::arg("x"), optional("h0"),
           optional("c0"), optional("lengths"), py::arg("packed_rows"), py::arg("key"), py::arg("threads"),
           py::arg("resets") = py::none(), py::arg("reset_to_given") = false)
      .def("backward_from", &run_backward_from, py::arg("saved"), py::arg("weights"), py::arg("x"), optional("lengths"),
           py::arg("packed_rows"), py::arg("key"), optional("dy"), optional("dhn"), optional("dcn"), py::arg("need_dx"),
           py::arg("need_dw"), py::arg("threads"), py::arg("resets") = py::none(), py::arg("reset_to_given") = false);
}

}  // namespace pyrnn::bindings
