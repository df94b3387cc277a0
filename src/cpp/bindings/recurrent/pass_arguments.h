// SPDX-License-Identifier: Apache-2.0
// The checked arguments of the passes over a stack, and the new arrays that the passes fill.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "bindings/recurrent/stack_arguments.h"
#include "bindings/runtime/interrupt.h"
#include "core/recurrent/forward.h"

namespace pyrnn::bindings {

// The arguments of a forward pass.
struct ForwardArguments {
  py::handle x, h0, c0, lengths;
  bool return_cells;
  bool batch_first = false;  // of the new sequences
  bool packed = false;       // x has packed rows; lengths are descending
  py::handle resets = Py_None;
  bool reset_to_given = false;
};

// Of x, and of the lengths of packed rows.
inline SequenceAxes axes_of(const py::array& x, py::handle lengths, bool packed) {
  if (!packed) return {x.shape(0), x.shape(1)};
  const Pinned of_rows = require_array<std::int64_t>(lengths, "lengths", 1);
  constexpr py::ssize_t kMost = std::numeric_limits<std::int32_t>::max();
  const std::vector<std::int64_t> all = checked_lengths(of_rows, kMost);
  require(std::is_sorted(all.rbegin(), all.rend()), "lengths: not descending, expected those of packed rows");
  const py::ssize_t R = std::accumulate(all.begin(), all.end(), py::ssize_t{0});
  require(x.shape(0) == R, "x: shape ", x, ", expected the sum of the lengths = ", R, " packed rows");
  return {all.empty() ? 0 : all.front(), of_rows.shape(0), R};
}

inline Batch batch_of(const SequenceAxes& axes, py::handle lengths_in, py::handle resets_in, bool reset_to_given) {
  const auto lengths = optional_array<std::int64_t>(lengths_in, "lengths", {axes.rows}, "(batch,)");
  const auto resets = optional_resets(resets_in, {axes.steps, axes.rows}, "(T, batch)");
  const bool packed = axes.packed.has_value();
  require(!packed || !resets, "resets: an array, expected None with packed rows");
  const auto checked = lengths ? checked_lengths(*lengths, axes.steps) : std::vector<std::int64_t>();
  return {axes.steps, axes.rows, lengths ? checked.data() : nullptr, {flags(resets), reset_to_given}, packed};
}

// The same, checked, and its new outputs.
template <class T>
struct ForwardCall {
  ForwardCall(const Stack& stack, const Packed& packed, const ForwardArguments& given)
      : shape(stack.shape),
        x(require_rows<T>(given.x, "x", given.packed ? 2 : 3)),
        axes(axes_of(x, given.lengths, given.packed)),
        y(sequence(shape.layer_output()), given.batch_first),
        hn(state(shape.output())),
        cn(shape.has_c() ? state(shape.hidden) : Shape{0}),
        batch(batch_of(axes, given.lengths, given.resets, given.reset_to_given)) {
    check_same_stack(stack, packed.stack, "packed");
    if (const auto* of_type = std::get_if<SharedWeights<T>>(&packed.weights)) weights = *of_type;
    require_shape(x, "x", sequence(shape.input), given.packed ? "(rows, input_size)" : "(T, batch, input_size)");
    h0 = optional_array<T>(given.h0, "h0", state(shape.output()), "(num_layers*num_directions, batch, output size)");
    c0 = optional_array<T>(given.c0, "c0", state(shape.hidden), "(num_layers*num_directions, batch, hidden_size)");
    if (c0 && !shape.has_c()) throw std::invalid_argument("c0: an array, expected None for a cell without cell state");
    if (given.return_cells) {
      require(shape.has_c(), "return_cells: true, expected false for a cell without cell state");
      cells.emplace(sequence(shape.directions * shape.hidden), given.batch_first);
    }
    sequences = {.x = data<T>(x),
                 .x_strides = strides_of<T>(x),
                 .h0 = data<T>(h0),
                 .c0 = data<T>(c0),
                 .y = y.data(),
                 .hn = hn.data(),
                 .cn = cn.data(),
                 .cells = cells ? cells->data() : nullptr};
  }
  Shape sequence(py::ssize_t columns) const { return axes.with(columns); }
  Shape state(py::ssize_t size) const { return {shape.layers * shape.directions, axes.rows, size}; }
  // Steps after a row's end are not visited.
  void clear_padding() {
    if (!batch.padded()) return;
    std::memset(sequences.y, 0, y.bytes);
    if (cells) std::memset(sequences.cells, 0, cells->bytes);
  }
  py::object cell_state() const { return shape.has_c() ? py::object(cn.array) : py::none(); }
  py::object all_cells() const { return cells ? py::object(cells->array) : py::none(); }

  const SharedWeights<T>& weights_of_type() const {
    require(weights != nullptr, "packed: weights of a narrower type, expected those of x");
    return weights;
  }

  StackShape shape;
  SharedWeights<T> weights;  // null: `packed` has them in a narrower type
  Pinned x;
  SequenceAxes axes;
  NewArray<T> y, hn, cn;
  std::optional<NewArray<T>> cells;
  std::optional<Pinned> h0, c0;
  Batch batch;
  Sequences<T> sequences;
};

// The arguments of a backward pass.
struct BackwardArguments {
  py::handle dy, dhn, dcn, dcells;
  bool need_dx;
  bool batch_first = false;  // of dx
  bool need_dw = true;
};

// The same, checked, and its new gradients: both states' always; dx only where it is needed, zero after a row's end.
template <class T>
struct BackwardCall {
  BackwardCall(const SavedForward& from, const Tape<T>& tape, const BackwardArguments& given)
      : shape(tape.shape), dh0(state(from, shape.output())), dc0(shape.has_c() ? state(from, shape.hidden) : Shape{0}) {
    const auto sequence = [&](py::ssize_t columns) { return from.axes.with(columns); };
    dy = optional_rows<T>(given.dy, "dy", sequence(shape.layer_output()), "the shape of y");
    dhn = optional_array<T>(given.dhn, "dhn", state(from, shape.output()), "the shape of hn");
    dcn = optional_array<T>(given.dcn, "dcn", state(from, shape.hidden), "the shape of cn");
    if (dcn && !shape.has_c())
      throw std::invalid_argument("dcn: an array, expected None for a cell without cell state");
    dcells =
        optional_rows<T>(given.dcells, "dcells", sequence(shape.directions * shape.hidden), "the shape of the cells");
    if (dcells && !shape.has_c())
      throw std::invalid_argument("dcells: an array, expected None for a cell without cell state");
    if (given.need_dx) dx.emplace(sequence(shape.input), given.batch_first);
    gradients = {.dy = data<T>(dy),
                 .dy_strides = strides_of<T>(dy),
                 .dhn = data<T>(dhn),
                 .dcn = data<T>(dcn),
                 .dcells = data<T>(dcells),
                 .dcells_strides = strides_of<T>(dcells),
                 .dx = dx ? dx->data() : nullptr,
                 .dh0 = dh0.data(),
                 .dc0 = dc0.data(),
                 .of_weights = given.need_dw};
  }
  py::object input_gradient() const { return dx ? py::object(dx->array) : py::none(); }
  py::object cell_gradient() const { return shape.has_c() ? py::object(dc0.array) : py::none(); }
  Shape state(const SavedForward& from, py::ssize_t size) const {
    return {shape.layers * shape.directions, from.axes.rows, size};
  }
  void clear_padding(const Batch& batch) {
    if (dx && batch.padded()) std::memset(gradients.dx, 0, dx->bytes);
  }

  const StackShape shape;  // a copy: the tape goes first
  NewArray<T> dh0, dc0;
  std::optional<NewArray<T>> dx;
  std::optional<Pinned> dy, dhn, dcn, dcells;
  SequenceGradients<T> gradients;
};

// The activations of a pass that was not yet gone back through, taken out at once: a second call must find nothing.
// They are put back unless the pass has begun, which works in place.
template <class T>
class Unspent {
 public:
  explicit Unspent(SavedForward& from)
      : from_(from), tape_(std::move(std::get<std::unique_ptr<Tape<T>>>(from.tape))), kept_(from.kept) {
    if (!tape_)
      throw std::runtime_error("saved: its activations are spent, expected those of a forward_train not yet used");
  }
  ~Unspent() {
    if (tape_)
      from_.tape = std::move(tape_);
    else
      from_.kept = py::none();
  }
  Unspent(const Unspent&) = delete;
  Unspent& operator=(const Unspent&) = delete;
  Tape<T>& tape() { return *tape_; }
  std::unique_ptr<Tape<T>> spend() noexcept { return std::move(tape_); }

 private:
  SavedForward& from_;
  std::unique_ptr<Tape<T>> tape_;
  const py::object kept_;  // what the tape points into
};

// Keeps what a backward pass reads: arrays stay where they are. (x, its weak reference, and what else is kept.)
template <class... Others>
py::object kept_with(const py::array& x, const Others&... others) {
  return py::make_tuple(x, weak_reference(x), others...);
}

// The backward pass, without the GIL, between `prepare` and `finish`. Returns Gradients. memory: of the tape, if it is
// the caller's.
template <class T, class Prepare, class Finish>
py::object run_back(const Stack& stack, Unspent<T>& saved, const WeightArrays<const T>& weights, BackwardCall<T>& call,
                    int threads, Prepare&& prepare, Finish&& finish, py::object memory = py::none()) {
  py::object object = new_object<Gradients>();
  std::unique_ptr<WeightGradients<T>> gradients;
  try {
    without_gil([&] {
      prepare();
      call.clear_padding(saved.tape().batch);
      gradients = backward<T>(saved.tape(), weights.all, call.gradients, threads, interrupted);
      finish();
      std::shared_ptr<const void> spent = saved.spend();
      if (gradients && gradients->are_of_few_rows()) gradients->keep(std::move(spent));  // null: stopped
    });
  } catch (const std::bad_alloc&) {  // the tape is as it was: it can be tried again
    throw;
  } catch (...) {
    saved.spend();
    throw;
  }
  initialised<Gradients>(object) = {stack, std::move(gradients), std::move(memory)};
  return object;
}

}  // namespace pyrnn::bindings
