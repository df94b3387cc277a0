// SPDX-License-Identifier: Apache-2.0
// Stack, Packed, Saved and Gradients: check every array again, release the GIL, call the core once.
#include <cstring>

#include "bindings/interrupt.h"
#include "bindings/recurrent.h"
#include "core/isa.h"

namespace pyrnn::bindings {
namespace {

template <class F>
auto with_type(bool single, F&& f) {
  return single ? f(float{}) : f(double{});
}

Packed pack(const Stack& stack, const py::list& arrays, int threads) {
  checked_threads(threads);
  return with_type(stack.single, [&](auto type) -> Packed {
    using T = decltype(type);
    const auto weights = weights_of<const T>(stack.shape, arrays, "weights");
    std::shared_ptr<const PackedWeights<T>> packed;
    without_gil(
        [&] { packed = std::make_shared<const PackedWeights<T>>(active_kernels(), stack.shape, weights, threads); });
    return {stack, packed};
  });
}

// The checked arguments of a forward pass, and its new outputs.
template <class T>
struct ForwardCall {
  ForwardCall(const Stack& stack, const Packed& packed, py::handle x_in, py::handle h0_in, py::handle c0_in,
              py::handle lengths_in, bool batch_first, bool return_cells)
      : shape(stack.shape),
        x(require_array<T>(x_in, "x", 3)),
        steps(x.shape(batch_first ? 1 : 0)),
        rows(x.shape(batch_first ? 0 : 1)),
        y(sequence(batch_first, shape.layer_output())),
        hn(state(shape.output())),
        cn(shape.is_lstm() ? state(shape.hidden) : Shape{0}),
        lengths(optional_array<std::int64_t>(lengths_in, "lengths", {rows}, "(batch,)")),
        batch(steps, rows, lengths ? checked_lengths(*lengths, steps).data() : nullptr) {
    check_same_stack(stack, packed.stack, "packed");
    weights = std::get<std::shared_ptr<const PackedWeights<T>>>(packed.weights);
    require_shape(x, "x", sequence(batch_first, shape.input),
                  batch_first ? "(batch, T, input_size)" : "(T, batch, input_size)");
    h0 = optional_array<T>(h0_in, "h0", state(shape.output()), "(num_layers*num_directions, batch, output size)");
    c0 = optional_array<T>(c0_in, "c0", state(shape.hidden), "(num_layers*num_directions, batch, hidden_size)");
    if (c0 && !shape.is_lstm())
      throw std::invalid_argument("c0: an array, expected None for a cell without cell state");
    if (return_cells) {
      require(shape.is_lstm(), "return_cells: true, expected false for a cell without cell state");
      cells.emplace(sequence(batch_first, shape.directions * shape.hidden));
    }
    sequences = {.array_steps = steps,
                 .batch_first = batch_first,
                 .x = data<T>(x),
                 .h0 = data<T>(h0),
                 .c0 = data<T>(c0),
                 .y = y.data(),
                 .hn = hn.data(),
                 .cn = cn.data(),
                 .cells = cells ? cells->data() : nullptr};
  }
  Shape sequence(bool batch_first, py::ssize_t columns) const {
    return batch_first ? Shape{rows, steps, columns} : Shape{steps, rows, columns};
  }
  Shape state(py::ssize_t size) const { return {shape.layers * shape.directions, rows, size}; }
  // Steps behind a row's end are not visited.
  void clear_padding() {
    if (batch.uniform()) return;
    std::memset(sequences.y, 0, y.bytes);
    if (cells) std::memset(sequences.cells, 0, cells->bytes);
  }
  py::object cell_state() const { return shape.is_lstm() ? py::object(cn.array) : py::none(); }
  py::object all_cells() const { return cells ? py::object(cells->array) : py::none(); }

  StackShape shape;
  std::shared_ptr<const PackedWeights<T>> weights;
  py::array x;
  py::ssize_t steps, rows;
  NewArray<T> y, hn, cn;
  std::optional<NewArray<T>> cells;
  std::optional<py::array> lengths, h0, c0;
  Batch batch;
  Sequences<T> sequences;
};

py::tuple run_forward(const Stack& stack, const Packed& packed, py::handle x, py::handle h0, py::handle c0,
                      py::handle lengths, bool batch_first, bool return_cells, int threads) {
  checked_threads(threads);
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    ForwardCall<T> call(stack, packed, x, h0, c0, lengths, batch_first, return_cells);
    without_gil([&] {
      call.clear_padding();
      forward<T>(stack.shape, *call.weights, call.batch, call.sequences, threads, interrupted);
    });
    return py::make_tuple(call.y.array, call.hn.array, call.cell_state(), call.all_cells());
  });
}

py::tuple run_forward_train(const Stack& stack, const Packed& packed, py::handle x, py::handle h0, py::handle c0,
                            py::handle lengths, bool batch_first, bool return_cells, std::uint64_t seed,
                            std::uint64_t draw, py::ssize_t recompute_every, int threads) {
  checked_threads(threads);
  require(recompute_every >= 0, "recompute_every: " + std::to_string(recompute_every) + ", expected at least 0");
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    ForwardCall<T> call(stack, packed, x, h0, c0, lengths, batch_first, return_cells);
    std::unique_ptr<Tape<T>> tape;
    without_gil([&] {
      call.clear_padding();
      tape = forward_train<T>(stack.shape, call.weights, call.batch, call.sequences,
                              {{seed, draw}, recompute_every, threads}, interrupted);
    });
    auto kept = std::make_unique<SavedForward>(SavedForward{stack, call.x, call.steps, call.rows, std::move(tape)});
    return py::make_tuple(call.y.array, call.hn.array, call.cell_state(), call.all_cells(), py::cast(std::move(kept)));
  });
}

// Both states' gradients are always made; dx only where it is needed, zero behind a row's end.
template <class T>
struct BackwardCall {
  BackwardCall(const SavedForward& from, const Tape<T>& tape, py::handle dy_in, py::handle dhn_in, py::handle dcn_in,
               py::handle dcells_in, bool need_dx)
      : shape(tape.shape),
        dh0(state(from, shape.output())),
        dc0(shape.is_lstm() ? state(from, shape.hidden) : Shape{0}) {
    const bool batch_first = tape.input.batch_first;
    const auto sequence = [&](py::ssize_t columns) {
      return batch_first ? Shape{from.rows, from.steps, columns} : Shape{from.steps, from.rows, columns};
    };
    dy = optional_array<T>(dy_in, "dy", sequence(shape.layer_output()), "the shape of y");
    dhn = optional_array<T>(dhn_in, "dhn", state(from, shape.output()), "the shape of hn");
    dcn = optional_array<T>(dcn_in, "dcn", state(from, shape.hidden), "the shape of cn");
    if (dcn && !shape.is_lstm())
      throw std::invalid_argument("dcn: an array, expected None for a cell without cell state");
    dcells =
        optional_array<T>(dcells_in, "dcells", sequence(shape.directions * shape.hidden), "the shape of the cells");
    if (dcells && !shape.is_lstm())
      throw std::invalid_argument("dcells: an array, expected None for a cell without cell state");
    if (need_dx) dx.emplace(sequence(shape.input));
    gradients = {.dy = data<T>(dy),
                 .dhn = data<T>(dhn),
                 .dcn = data<T>(dcn),
                 .dcells = data<T>(dcells),
                 .dx = dx ? dx->data() : nullptr,
                 .dh0 = dh0.data(),
                 .dc0 = dc0.data()};
  }
  Shape state(const SavedForward& from, py::ssize_t size) const {
    return {shape.layers * shape.directions, from.rows, size};
  }
  void clear_padding(const Batch& batch) {
    if (dx && !batch.uniform()) std::memset(gradients.dx, 0, dx->bytes);
  }

  const StackShape& shape;
  NewArray<T> dh0, dc0;
  std::optional<NewArray<T>> dx;
  std::optional<py::array> dy, dhn, dcn, dcells;
  SequenceGradients<T> gradients;
};

py::tuple run_backward(const Stack& stack, SavedForward& from, const py::list& arrays, py::handle dy, py::handle dhn,
                       py::handle dcn, py::handle dcells, bool need_dx, int threads) {
  checked_threads(threads);
  check_same_stack(stack, from.stack, "saved");
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    auto& slot = std::get<std::unique_ptr<Tape<T>>>(from.tape);
    if (!slot)
      throw std::runtime_error("saved: its activations are spent, expected those of a forward_train not yet used");
    const auto weights = weights_of<const T>(stack.shape, arrays, "weights");
    BackwardCall<T> call(from, *slot, dy, dhn, dcn, dcells, need_dx);
    // Taken out before the GIL goes: the pass works in place, and a second call must find nothing.
    std::unique_ptr<Tape<T>> tape = std::move(slot);
    std::unique_ptr<WeightGradients<T>> result;
    try {
      without_gil([&] {
        call.clear_padding(tape->batch);
        result = backward<T>(*tape, weights, call.gradients, threads, interrupted);
        tape.reset();
      });
    } catch (const std::bad_alloc&) {  // the tape is as it was: it can be tried again
      slot = std::move(tape);
      throw;
    }
    from.x = py::none();
    py::object dx = call.dx ? py::object(call.dx->array) : py::none();
    py::object dc0 = stack.shape.is_lstm() ? py::object(call.dc0.array) : py::none();
    auto gradients = std::make_unique<Gradients>(Gradients{stack, std::move(result)});
    return py::make_tuple(dx, call.dh0.array, dc0, py::cast(std::move(gradients)));
  });
}

void add_into(Gradients& from, const py::list& arrays) {
  with_type(from.stack.single, [&](auto type) {
    using T = decltype(type);
    auto& slot = std::get<std::unique_ptr<WeightGradients<T>>>(from.gradients);
    if (!slot) throw std::runtime_error("gradients: already added, expected to be added once");
    const auto gradients = weights_of<T>(from.stack.shape, arrays, "grads");
    const std::unique_ptr<WeightGradients<T>> added = std::move(slot);
    without_gil([&] { added->add_to(gradients); });
  });
}

}  // namespace

void register_recurrent(py::module_& m) {
  py::class_<Packed>(m, "Packed");
  py::class_<SavedForward>(m, "Saved");
  py::class_<Gradients>(m, "Gradients").def("add_into", &add_into, py::arg("grads"));
  py::class_<Stack>(m, "Stack")
      .def(py::init(&make_stack), py::arg("cell"), py::arg("dtype"), py::arg("input_size"), py::arg("hidden_size"),
           py::arg("num_layers"), py::arg("bidirectional"), py::arg("bias"), py::arg("proj_size"), py::arg("dropout"),
           py::arg("merge"))
      .def("pack", &pack, py::arg("weights"), py::arg("threads"))
      .def("forward", &run_forward, py::arg("packed"), py::arg("x"), py::arg("h0").none(true), py::arg("c0").none(true),
           py::arg("lengths").none(true), py::arg("batch_first"), py::arg("return_cells"), py::arg("threads"))
      .def("forward_train", &run_forward_train, py::arg("packed"), py::arg("x"), py::arg("h0").none(true),
           py::arg("c0").none(true), py::arg("lengths").none(true), py::arg("batch_first"), py::arg("return_cells"),
           py::arg("seed"), py::arg("draw"), py::arg("recompute_every"), py::arg("threads"))
      .def("backward", &run_backward, py::arg("saved"), py::arg("weights"), py::arg("dy").none(true),
           py::arg("dhn").none(true), py::arg("dcn").none(true), py::arg("dcells").none(true), py::arg("need_dx"),
           py::arg("threads"));
  register_stream(m);
}

}  // namespace pyrnn::bindings
