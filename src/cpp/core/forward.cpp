// SPDX-License-Identifier: Apache-2.0
#include "core/buffers.h"
#include "core/cell_steps.h"
#include "core/dropped.h"
#include "core/member.h"
#include "core/rows.h"

namespace pyrnn {
namespace {

using kernels::Kernels;
using kernels::Start;

constexpr Index kRowsAhead =
    128;  // rows for which x*W_ih is made at a time: their gates stay in the second-level cache

template <class T>
class ForwardPass {
 public:
  using Buffers = typename Saved<T>::Direction;

  // saved: null for inference, whose buffers hold only the steps of one chunk.
  ForwardPass(const StackShape& shape, const PackedWeights<T>& weights, const Batch& batch,
              const Sequences<T>& sequences, Saved<T>* saved, Split split, Interrupt::Check check)
      : shape_(shape),
        k_(kernels::of_type<T>(weights.table())),
        maps_(maps_of(shape, k_.lanes)),
        weights_(weights),
        batch_(batch),
        seq_(sequences),
        saved_(saved),
        split_(split),
        interrupt_(check),
        chunk_(larger(
            1, smaller(batch.steps(), kRowsAhead / larger(1, batch.rows() / (split.by_units ? 1 : split.threads))))),
        width_(shape, k_.lanes),
        gates_panel_(gates_panel_stride(saved ? batch.packed_rows() : chunk_ * batch.rows(), k_.lanes)) {
    // Of one width for all layers: members are not always in the same layer, and must stay in rows of their own.
    inference_x_row_ = larger(shape.input, shape.layer_input(1));
    if (!saved_) allocate_chunk_buffers();
  }

  bool run() {
    parallel(split_.threads, [&](int rank, Team& team) noexcept {
      const Member me = Member::of({team.size(), split_.by_units}, shape_, batch_, maps_, k_.lanes, rank, team);
      for (Index layer = 0; layer < shape_.layers; ++layer) {
        for (Index direction = 0; direction < shape_.directions; ++direction) run_direction(me, layer, direction);
        drop_outputs(me, layer);
        me.meet();
      }
    });
    return !interrupt_.requested();
  }

 private:
  void allocate_chunk_buffers() {
    const Index rows = chunk_ * batch_.rows();
    want_buffers<T>(arena_, shape_, maps_, k_.lanes, rows, batch_.rows(), inference_);
    arena_.want(inference_x_, rows, inference_x_row_);
    for (T*& output : layer_output_)
      arena_.want(output, batch_.packed_rows(), shape_.layers > 1 ? shape_.layer_input(1) : 0);
    arena_.allocate();
    shift_past_initial_state<T>(inference_, shape_, k_.lanes, -batch_.rows());
  }

  // One layer and direction, as one member sees it.
  struct Place {
    Index layer, direction;
    Walk walk;
    const Buffers& buffers;
    Rows<const T> input;
    Index input_columns;
    bool gathers;  // the input is copied into the direction's own order first
    T* x;          // that copy,
    Index x_row;   // and the stride of its rows
    const typename PackedWeights<T>::Direction& weights;
  };

  Place place(Index layer, Index direction) const {
    const Walk walk(batch_, direction == 1);
    const std::size_t index = static_cast<std::size_t>(layer * shape_.directions + direction);
    const Rows<const T> input = input_of(layer);
    const Buffers& buffers = saved_ ? saved_->directions[index] : inference_;
    const bool gathers = walk.own_order() || !input.regular();
    return {layer,
            direction,
            walk,
            buffers,
            input,
            shape_.layer_input(layer),
            gathers,
            saved_ ? buffers.x : inference_x_,
            saved_ ? shape_.layer_input(layer) : inference_x_row_,
            weights_.of(layer, direction)};
  }

  Rows<const T> input_of(Index layer) const {
    if (layer == 0) return Rows<const T>::of_caller(seq_.x, batch_, seq_.array_steps, shape_.input, seq_.batch_first);
    return Rows<const T>::packed(output_buffer(layer - 1), batch_, shape_.layer_input(layer));
  }
  T* output_buffer(Index layer) const {
    return saved_ ? saved_->layer_inputs[static_cast<std::size_t>(layer + 1)] : layer_output_[layer % 2];
  }
  Rows<T> output_of(const Place& p) const {
    const Index columns = shape_.directions * shape_.output(), first = p.direction * shape_.output();
    if (p.layer + 1 == shape_.layers)
      return Rows<T>::of_caller(seq_.y, batch_, seq_.array_steps, columns, seq_.batch_first).columns_from(first);
    return Rows<T>::packed(output_buffer(p.layer), batch_, columns).columns_from(first);
  }

  // Rows of the buffers: all steps in training, those of the chunk from step `first` on in inference.
  Index row_of(const Place& p, Index step, Index first) const {
    return saved_ ? p.walk.row(step) : (step - first) * batch_.rows();
  }
  Index previous_row(const Place& p, Index step, Index first) const {
    return saved_ ? p.walk.previous_row(step) : (step - first - 1) * batch_.rows();
  }

  void run_direction(const Member& me, Index layer, Index direction) {
    const Place p = place(layer, direction);
    load_initial_state(me, p);
    for (Index first = 0; first < batch_.steps(); first += chunk_) {
      const Index end = smaller(first + chunk_, batch_.steps());
      if (!saved_ && first > 0) carry_state(me, p);
      if (p.gathers && !interrupt_.requested()) gather_input(me, p, first, end);
      me.meet();
      multiply_input(me, p, first, end);
      for (Index step = first; step < end; ++step) run_step(me, p, step, first);
    }
    me.meet();
  }

  void load_initial_state(const Member& me, const Place& p) {
    const Index state = p.layer * shape_.directions + p.direction, P = shape_.output(), H = shape_.hidden;
    const Index initial = previous_row(p, 0, 0);
    const Range mine = me.copied_rows(batch_.rows());
    for (Index j = mine.begin; j < mine.end; ++j) {
      const Index from = state * batch_.rows() + batch_.original(j);
      const bool empty = batch_.length(j) == 0;
      copy_padded(seq_.h0 ? seq_.h0 + from * P : nullptr, P, p.buffers.h + (initial + j) * width_.output,
                  width_.output);
      if (empty) copy_padded(seq_.h0 ? seq_.h0 + from * P : nullptr, P, seq_.hn + from * P, P);
      if (!shape_.is_lstm()) continue;
      copy_padded(seq_.c0 ? seq_.c0 + from * H : nullptr, H, p.buffers.c + (initial + j) * width_.state, width_.state);
      if (empty) copy_padded(seq_.c0 ? seq_.c0 + from * H : nullptr, H, seq_.cn + from * H, H);
    }
  }

  // Inference: the last state of a chunk becomes the initial one of the next.
  void carry_state(const Member& me, const Place& p) {
    const Index last = (chunk_ - 1) * batch_.rows(), initial = -batch_.rows();
    const Range mine = me.copied_rows(batch_.rows());
    const auto carry = [&](T* state, Index row) {
      std::copy_n(state + (last + mine.begin) * row, mine.size() * row, state + (initial + mine.begin) * row);
    };
    carry(p.buffers.h, width_.output);
    if (shape_.is_lstm()) carry(p.buffers.c, width_.state);
  }

  void gather_input(const Member& me, const Place& p, Index first, Index end) {
    for (Index step = first; step < end; ++step) {
      const Range mine = me.copied_rows(p.walk.active(step));
      gather_step(p.input, p.walk, step, mine.begin, mine.end, p.input_columns,
                  p.x + (row_of(p, step, first) + mine.begin) * p.x_row, p.x_row);
    }
  }

  // gates = b + x*W_ih for the steps [first, end): panel by panel, so that each panel of W_ih is read once for all.
  // Where the rows of the steps lie one behind the other in x and in the gates, they make one product.
  void multiply_input(const Member& me, const Place& p, Index first, Index end) {
    const bool at_once =
        batch_.uniform() && me.rows.size() == batch_.rows() && p.input.contiguous() && (saved_ || !p.walk.backwards());
    for (Index panel = me.panels.begin; panel < me.panels.end; ++panel) {
      const bool next_follows = panel + 1 < me.panels.end;
      if (at_once)
        multiply_rows(me, p, panel, p.walk.backwards() ? end - 1 : first, first, {0, (end - first) * batch_.rows()},
                      next_follows);
      for (Index step = first; step < end && !at_once; ++step)
        multiply_rows(me, p, panel, step, first, me.active_rows(p.walk.active(step)), next_follows && step + 1 == end);
    }
  }

  // Rows from the first of `step` on, in the order of time.
  void multiply_rows(const Member& me, const Place& p, Index panel, Index step, Index first, Range rows,
                     bool next_follows) {
    if (rows.empty() || interrupt_.requested()) return;
    const Index I = p.input_columns, row = row_of(p, step, first) + rows.begin;
    input_product<T>(k_, maps_.x, p.weights, panel,
                     {.rows = rows.size(),
                      .x = p.gathers ? p.x + row * p.x_row : p.input.at(p.walk.time(step, 0), rows.begin),
                      .x_row = p.gathers ? p.x_row : p.input.row_stride(),
                      .columns = I,
                      .gates = p.buffers.gates + row * 4 * k_.lanes,
                      .gates_panel = gates_panel_,
                      .next_follows = next_follows});
    interrupt_.poll(me.rank, static_cast<double>(rows.size() * I * maps_.x.panel_size()));
  }

  void run_step(const Member& me, const Place& p, Index step, Index first) {
    const Range rows = me.active_rows(p.walk.active(step));
    const Index row = row_of(p, step, first) + rows.begin, previous = previous_row(p, step, first) + rows.begin;
    T* h = p.buffers.h + row * width_.output;
    if (interrupt_.requested()) {
      for (int i = 0; i < 1 + maps_.reset_before + (shape_.proj > 0); ++i) me.meet();
    } else {
      const kernels::StepForward<T> s{.rows = larger(0, rows.size()),
                                      .panel_begin = me.panels.begin,
                                      .panel_end = me.panels.end,
                                      .descending = step % 2 == 1,
                                      .map = maps_.h,
                                      .h_prev = p.buffers.h + previous * width_.output,
                                      .h_prev_row = width_.output,
                                      .h_prev_columns = shape_.output(),
                                      .w_hh = p.weights.w_hh,
                                      .w_hn = p.weights.w_hn,
                                      .b_hn = p.weights.b_hn,
                                      .gates = p.buffers.gates + row * 4 * k_.lanes,
                                      .gates_panel = gates_panel_,
                                      .c_prev = p.buffers.c + previous * width_.state,
                                      .c = p.buffers.c + row * width_.state,
                                      .h = shape_.proj ? p.buffers.m + row * width_.state : h,
                                      .rh = p.buffers.rh + row * width_.state,
                                      .state_row = width_.state};
      const ProjectionStep<T> projection{
          .w_hr = p.weights.w_hr, .h = h, .h_row = width_.output, .panels = me.projection_panels};
      cell_forward(k_, shape_, maps_, s, projection, [&] { me.meet(); });
      interrupt_.poll(me.rank, static_cast<double>(rows.size() * shape_.output() * shape_.hidden * shape_.gates()));
      emit(me, p, step, first);
    }
  }

  // h to the output in time order; the state of rows that end here to hn and cn.
  void emit(const Member& me, const Place& p, Index step, Index first) {
    const Range rows = me.copied_rows(p.walk.active(step));
    const Index row = row_of(p, step, first), P = shape_.output(), H = shape_.hidden;
    scatter_step(p.buffers.h + (row + rows.begin) * width_.output, width_.output, p.walk, step, rows.begin, rows.end, P,
                 output_of(p));
    for (Index j = larger(rows.begin, p.walk.active(step + 1)); j < rows.end; ++j) {
      const Index state = (p.layer * shape_.directions + p.direction) * batch_.rows() + batch_.original(j);
      std::copy_n(p.buffers.h + (row + j) * width_.output, P, seq_.hn + state * P);
      if (shape_.is_lstm()) std::copy_n(p.buffers.c + (row + j) * width_.state, H, seq_.cn + state * H);
    }
  }

  void drop_outputs(const Member& me, Index layer) {
    if (!saved_ || shape_.dropout == 0 || layer + 1 == shape_.layers || interrupt_.requested()) return;
    const Rows<T> output = Rows<T>::packed(output_buffer(layer), batch_, shape_.layer_input(1));
    drop_rows(k_, me.copied_rows(batch_.rows()), batch_, shape_, saved_->key, layer, output);
  }

  const StackShape& shape_;
  const Kernels<T>& k_;
  const CellMaps maps_;
  const PackedWeights<T>& weights_;
  const Batch& batch_;
  const Sequences<T>& seq_;
  Saved<T>* saved_;
  const Split split_;
  Interrupt interrupt_;
  const Index chunk_;
  const RowWidths<T> width_;
  const Index gates_panel_;
  Arena arena_;
  Buffers inference_{};
  T* inference_x_ = nullptr;
  Index inference_x_row_ = 0;
  T* layer_output_[2] = {nullptr, nullptr};
};

}  // namespace

template <class T>
bool forward(const StackShape& shape, const PackedWeights<T>& weights, const Batch& batch,
             const Sequences<T>& sequences, int threads, Interrupt::Check check) {
  const Split split = Split::plan(shape, batch, kernels::of_type<T>(weights.table()).lanes, sizeof(T), threads);
  return ForwardPass<T>(shape, weights, batch, sequences, nullptr, split, check).run();
}

template <class T>
std::unique_ptr<Saved<T>> forward_train(const StackShape& shape, const PackedWeights<T>& weights, const Batch& batch,
                                        const Sequences<T>& sequences, DropoutKey key, int threads,
                                        Interrupt::Check check) {
  auto saved = std::make_unique<Saved<T>>(shape, weights.table(), batch);
  saved->sequences = sequences;
  saved->key = key;
  const Split split = Split::plan(shape, batch, kernels::of_type<T>(weights.table()).lanes, sizeof(T), threads);
  if (!ForwardPass<T>(shape, weights, saved->batch, sequences, saved.get(), split, check).run()) return nullptr;
  return saved;
}

template bool forward(const StackShape&, const PackedWeights<float>&, const Batch&, const Sequences<float>&, int,
                      Interrupt::Check);
template bool forward(const StackShape&, const PackedWeights<double>&, const Batch&, const Sequences<double>&, int,
                      Interrupt::Check);
template std::unique_ptr<Saved<float>> forward_train(const StackShape&, const PackedWeights<float>&, const Batch&,
                                                     const Sequences<float>&, DropoutKey, int, Interrupt::Check);
template std::unique_ptr<Saved<double>> forward_train(const StackShape&, const PackedWeights<double>&, const Batch&,
                                                      const Sequences<double>&, DropoutKey, int, Interrupt::Check);

}  // namespace pyrnn
