// SPDX-License-Identifier: Apache-2.0
// Stack, Packed, Saved and Gradients: check every array again, release the GIL, call the core once.
#include <pybind11/stl.h>

#include "bindings/recurrent/pass_arguments.h"
#include "bindings/runtime/interrupt.h"
#include "core/recurrent/state_options.h"
#include "core/runtime/isa.h"

namespace pyrnn::bindings {
namespace {

py::tuple run_forward(const Stack& stack, const Packed& packed, py::handle x, py::handle h0, py::handle c0,
                      py::handle lengths, bool return_cells, int threads, bool batch_first, py::handle resets,
                      bool reset_to_given, bool packed_rows) {
  checked_threads(threads);
  require_plain(stack);
  check_same_stack(stack, packed.stack, "packed");  // whose type is that of x
  return std::visit(
      [&]<class T, class W>(const SharedWeights<T, W>& weights) -> py::tuple {
        ForwardCall<T> call(stack, packed,
                            {x, h0, c0, lengths, return_cells, batch_first, packed_rows, resets, reset_to_given});
        without_gil([&] {
          call.clear_padding();
          forward<T>(stack.shape, *weights, call.batch, call.sequences, threads, interrupted);
        });
        return py::make_tuple(call.y.array, call.hn.array, call.cell_state(), call.all_cells());
      },
      packed.weights);
}

py::tuple run_forward_train(const Stack& stack, const Packed& packed, py::handle x, py::handle h0, py::handle c0,
                            py::handle lengths, bool return_cells, std::uint64_t seed, std::uint64_t draw,
                            py::ssize_t recompute_every, int threads, bool batch_first, py::handle resets,
                            bool reset_to_given, std::uint32_t first_row) {
  checked_threads(threads);
  require_plain(stack);
  require(recompute_every >= 0, "recompute_every: ", recompute_every, ", expected at least 0");
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    ForwardCall<T> call(stack, packed, {x, h0, c0, lengths, return_cells, batch_first, false, resets, reset_to_given});
    py::object saved = new_object<SavedForward>();
    std::unique_ptr<Tape<T>> tape;
    without_gil([&] {
      call.clear_padding();
      tape = forward_train<T>(stack.shape, call.weights_of_type(), call.batch, call.sequences,
                              {DropoutKey{seed, draw, first_row}, recompute_every, threads}, interrupted);
    });
    initialised<SavedForward>(saved) = {stack, kept_with(call.x), call.axes, std::move(tape)};
    return py::make_tuple(call.y.array, call.hn.array, call.cell_state(), call.all_cells(), saved);
  });
}

py::tuple run_backward(const Stack& stack, SavedForward& from, const py::list& arrays, py::handle dy, py::handle dhn,
                       py::handle dcn, py::handle dcells, bool need_dx, int threads, bool batch_first, bool need_dw) {
  checked_threads(threads);
  require_plain(stack);
  check_same_stack(stack, from.stack, "saved");
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    Unspent<T> saved(from);
    const WeightArrays<const T> weights(stack.shape, arrays, "weights");
    BackwardCall<T> call(from, saved.tape(), {dy, dhn, dcn, dcells, need_dx, batch_first, need_dw});
    const auto nothing = [] {};
    py::object gradients = run_back(stack, saved, weights, call, threads, nothing, nothing);
    return py::make_tuple(call.input_gradient(), call.dh0.array, call.cell_gradient(), gradients);
  });
}

void add_into(Gradients& from, const py::list& arrays) {
  with_type(from.stack.single, [&](auto type) {
    using T = decltype(type);
    auto& slot = std::get<std::unique_ptr<WeightGradients<T>>>(from.gradients);
    if (!slot) throw std::runtime_error("gradients: already added, expected to be added once");
    const WeightArrays<T> gradients(from.stack.shape, arrays, "grads");
    const std::unique_ptr<WeightGradients<T>> added = std::move(slot);
    without_gil([&] { added->add_to(gradients.all); });
  });
}

// Whether training draws masks.
bool drops(const Stack& stack) {
  const StackShape& shape = stack.shape;
  const ChangedStates changed = changed_states(shape.options, true);
  return (shape.dropout > 0 && shape.layers > 1) || changed.h_in || changed.h || changed.c;
}

// The gradients as new arrays.
py::list as_arrays(Gradients& from) {
  py::list arrays;
  with_type(from.stack.single, [&](auto type) {
    using T = decltype(type);
    for (const py::handle described : parameters_of(from.stack)) {
      NewArray<T> array(py::cast<Shape>(py::reinterpret_borrow<py::tuple>(described)[1]));
      std::memset(array.data(), 0, array.bytes);
      arrays.append(array.array);
    }
  });
  add_into(from, arrays);
  return arrays;
}

}  // namespace

void register_recurrent(py::module_& m) {
  py::class_<Packed>(m, "Packed");
  py::class_<SavedForward>(m, "Saved");
  py::class_<Gradients>(m, "Gradients").def("add_into", &add_into, py::arg("grads")).def("as_arrays", &as_arrays);
  py::class_<Stack> stack(m, "Stack");
  def_init(stack, &make_stack, py::arg("cell"), py::arg("dtype"), py::arg("input_size"), py::arg("hidden_size"),
           py::arg("num_layers"), py::arg("bidirectional"), py::arg("bias"), py::arg("proj_size"), py::arg("dropout"),
           py::arg("merge"), py::arg("reverse") = false);
  stack.def_property_readonly("has_c", [](const Stack& of) { return of.shape.has_c(); })
      .def_property_readonly("drops", &drops)
      .def("parameters", &parameters_of)
      .def("pack", &pack_weights, py::arg("weights"), py::arg("threads"), py::arg("form") = "")
      .def("forward", &run_forward, py::arg("packed"), py::arg("x"), py::arg("h0").none(true), py::arg("c0").none(true),
           py::arg("lengths").none(true), py::arg("return_cells"), py::arg("threads"), py::arg("batch_first") = false,
           py::arg("resets") = py::none(), py::arg("reset_to_given") = false, py::arg("packed_rows") = false)
      .def("forward_train", &run_forward_train, py::arg("packed"), py::arg("x"), py::arg("h0").none(true),
           py::arg("c0").none(true), py::arg("lengths").none(true), py::arg("return_cells"), py::arg("seed"),
           py::arg("draw"), py::arg("recompute_every"), py::arg("threads"), py::arg("batch_first") = false,
           py::arg("resets") = py::none(), py::arg("reset_to_given") = false, py::arg("first_row") = 0)
      .def("backward", &run_backward, py::arg("saved"), py::arg("weights"), py::arg("dy").none(true),
           py::arg("dhn").none(true), py::arg("dcn").none(true), py::arg("dcells").none(true), py::arg("need_dx"),
           py::arg("threads"), py::arg("batch_first") = false, py::arg("need_dw") = true);
}

}  // namespace pyrnn::bindings
