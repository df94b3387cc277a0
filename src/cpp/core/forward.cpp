// SPDX-License-Identifier: Apache-2.0
#include "core/buffers.h"
#include "core/cell_steps.h"
#include "core/outputs.h"
#include "core/state_masks.h"

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

  // Without job.saved, buffers hold only the steps of one chunk.
  ForwardPass(const ForwardJob<T>& job, Split split, Interrupt::Check check)
      : job_(job),
        shape_(job.shape),
        k_(kernels::of_type<T>(job.weights.table())),
        maps_(maps_of(shape_, k_.lanes)),
        batch_(job.batch),
        seq_(job.sequences),
        scope_(job.scope),
        saved_(job.saved),
        split_(split),
        interrupt_(check),
        chunk_(larger(1, smaller(scope_.steps.end - scope_.steps.begin,
                                 kRowsAhead / larger(1, batch_.rows() / (split.by_units ? 1 : split.threads))))),
        width_(shape_, k_.lanes),
        gates_panel_(gates_panel_stride(saved_ ? saved_->rows : chunk_ * batch_.rows(), k_.lanes)),
        outputs_(job_, layers_),
        masks_(shape_, batch_, k_, job.key) {
    // Of one width for all layers: members are not always in the same layer, and must stay in rows of their own.
    inference_x_row_ = larger(shape_.input, shape_.layer_input(1));
    if (!saved_) want_chunk_buffers();
    masks_.want(arena_);
    arena_.allocate();
    if (!saved_) shift_past_initial_state<T>(inference_, shape_, k_.lanes, -batch_.rows());
    for (Index layer = 0; own_layers() && layer < shape_.layers; ++layer) layers_.input.push_back(by_turns_[layer % 2]);
    layers_.first_row = batch_.offset(scope_.steps.begin);
    if (job.layers || saved_) layers_ = job.layers ? *job.layers : saved_->layers;
  }

  bool run() {
    parallel(split_.threads, [&](int rank, Team& team) noexcept {
      const Member me = Member::of({team.size(), split_.by_units}, shape_, batch_, maps_, k_.lanes, rank, team);
      for (Index layer = scope_.layers.begin; layer < scope_.layers.end; ++layer) {
        for (Index direction = scope_.directions.begin; direction < scope_.directions.end; ++direction)
          run_direction(me, layer, direction);
        if (!interrupt_.requested()) outputs_.drop(k_, me, layer);
        me.meet();
      }
    });
    return !interrupt_.requested();
  }

 private:
  bool own_layers() const { return !saved_ && !job_.layers && shape_.layers > 1; }
  void want_chunk_buffers() {
    const Index rows = chunk_ * batch_.rows();
    want_buffers<T>(arena_, shape_, maps_, k_.lanes, rows, batch_.rows(), masks_.drops(), inference_);
    arena_.want(inference_x_, rows, inference_x_row_);
    for (T*& input : by_turns_) arena_.want(input, own_layers() ? scope_.steps.rows(batch_) : 0, shape_.layer_input(1));
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
    const Walk walk(batch_, direction == 1, scope_.steps);
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
            job_.weights.of(layer, direction)};
  }

  Rows<const T> input_of(Index layer) const {
    if (layer == 0) return Rows<const T>::of_caller(seq_.x, batch_, seq_.array_steps, shape_.input, seq_.batch_first);
    return layers_.rows(layer, batch_, shape_).read_only();
  }

  // Rows of the buffers: all steps of the scope in training, those of the chunk from step `first` on in inference.
  Index row_of(const Place& p, Index step, Index first) const {
    return saved_ ? p.walk.row(step) : (step - first) * batch_.rows();
  }
  Index previous_row(const Place& p, Index step, Index first) const {
    return saved_ ? p.walk.previous_row(step) : (step - first - 1) * batch_.rows();
  }

  void run_direction(const Member& me, Index layer, Index direction) {
    const Place p = place(layer, direction);
    load_initial_state(me, p);
    for (Index first = scope_.steps.begin; first < scope_.steps.end; first += chunk_) {
      const Index end = smaller(first + chunk_, scope_.steps.end);
      if (!saved_ && first > scope_.steps.begin) carry_state(me, p);
      if (p.gathers && !interrupt_.requested()) gather_input(me, p, first, end);
      me.meet();
      multiply_input(me, p, first, end);
      if (shape_.options.layer_norm) normalise_input(me, p, first, end);
      for (Index step = first; step < end; ++step) run_step(me, p, step, first);
    }
    me.meet();
  }

  void load_initial_state(const Member& me, const Place& p) {
    const Index state = p.layer * shape_.directions + p.direction, P = shape_.output(), H = shape_.hidden;
    const Index first = scope_.steps.begin, initial = previous_row(p, first, first);
    const Range mine = me.copied_rows(batch_.rows());
    for (Index j = mine.begin; j < mine.end; ++j) {
      const Index from = state * batch_.rows() + batch_.original(j);
      T* h = p.buffers.h + (initial + j) * width_.output;
      T* c = p.buffers.c + (initial + j) * width_.state;
      copy_padded(seq_.h0 ? seq_.h0 + from * P : nullptr, P, h, width_.output);
      if (shape_.is_lstm()) copy_padded(seq_.c0 ? seq_.c0 + from * H : nullptr, H, c, width_.state);
      if (batch_.length(j) <= first) outputs_.store_state(p.layer, p.direction, j, h, c);
    }
    masks_.begin(me, {p.layer, p.direction, p.walk});
    masks_.drop(mine, p.buffers, initial);
  }

  // Inference: the last state of a chunk becomes the initial one of the next.
  void carry_state(const Member& me, const Place& p) {
    const Index last = (chunk_ - 1) * batch_.rows(), initial = -batch_.rows();
    const Range mine = me.copied_rows(batch_.rows());
    const auto carry = [&](T* state, Index row) {
      std::copy_n(state + (last + mine.begin) * row, mine.size() * row, state + (initial + mine.begin) * row);
    };
    carry(p.buffers.h, width_.output);
    if (masks_.drops()) carry(p.buffers.h_in, width_.output);
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

  NormRows<T> norm_rows(const Place& p, Index row, Range rows) const {
    return {maps_, p.weights, p.buffers.norm, p.buffers.gates, gates_panel_, k_.lanes, row, larger(0, rows.size())};
  }

  void normalise_input(const Member& me, const Place& p, Index first, Index end) {
    for (Index step = first; step < end; ++step) {
      const Range rows = me.active_rows(p.walk.active(step));
      if (!interrupt_.requested()) k_.gate_norm(norm_rows(p, row_of(p, step, first) + rows.begin, rows).input());
    }
  }

  void run_step(const Member& me, const Place& p, Index step, Index first) {
    const Range rows = me.active_rows(p.walk.active(step));
    const Index row = row_of(p, step, first) + rows.begin, previous = previous_row(p, step, first) + rows.begin;
    T* h_new = p.buffers.h_new + row * width_.output;
    if (interrupt_.requested()) {
      for (int i = 0; i < 1 + maps_.reset_before + (shape_.proj > 0) + masks_.any(); ++i) me.meet();
    } else {
      const kernels::StepForward<T> s{.rows = larger(0, rows.size()),
                                      .panel_begin = me.panels.begin,
                                      .panel_end = me.panels.end,
                                      .descending = step % 2 == 1,
                                      .map = maps_.h,
                                      .h_prev = p.buffers.h + previous * width_.output,
                                      .h_in = p.buffers.h_in + previous * width_.output,
                                      .h_prev_row = width_.output,
                                      .h_prev_columns = shape_.output(),
                                      .w_hh = p.weights.w_hh,
                                      .w_hn = p.weights.w_hn,
                                      .b_hn = p.weights.b_hn,
                                      .gates = p.buffers.gates + row * 4 * k_.lanes,
                                      .gates_panel = gates_panel_,
                                      .c_prev = p.buffers.c + previous * width_.state,
                                      .c = p.buffers.c_new + row * width_.state,
                                      .h = shape_.proj ? p.buffers.m + row * width_.state : h_new,
                                      .rh = p.buffers.rh + row * width_.state,
                                      .state_row = width_.state,
                                      .lstm = PackedWeights<T>::lstm_options(shape_, p.weights),
                                      .norm = norm_rows(p, row, rows).recurrent(),
                                      .cell_norm = norm_rows(p, row, rows).cell(width_.state)};
      const ProjectionStep<T> projection{
          .w_hr = p.weights.w_hr, .h = h_new, .h_row = width_.output, .panels = me.projection_panels};
      cell_forward(k_, shape_, maps_, s, projection, [&] { me.meet(); });
      interrupt_.poll(me.rank, static_cast<double>(rows.size() * shape_.output() * shape_.hidden * shape_.gates()));
      const Index first_row = row_of(p, step, first);
      if (masks_.any()) {
        masks_.finish_step(me, {p.layer, p.direction, p.walk}, step, p.buffers, first_row,
                           previous_row(p, step, first));
        me.meet();
      }
      outputs_.emit(me, {p.layer, p.direction, p.walk, width_.output, width_.state}, step,
                    p.buffers.h + first_row * width_.output, p.buffers.c + first_row * width_.state);
    }
  }

  const ForwardJob<T>& job_;
  const StackShape& shape_;
  const Kernels<T>& k_;
  const CellMaps maps_;
  const Batch& batch_;
  const Sequences<T>& seq_;
  const Scope scope_;
  Saved<T>* const saved_;
  const Split split_;
  Interrupt interrupt_;
  const Index chunk_;
  const RowWidths<T> width_;
  const Index gates_panel_;
  Arena arena_;
  Buffers inference_{};
  T* inference_x_ = nullptr;
  Index inference_x_row_ = 0;
  T* by_turns_[2] = {};  // inputs of the layers
  LayerBuffers<T> layers_;
  const Outputs<T> outputs_;
  StateMasks<T> masks_;
};

}  // namespace

template <class T>
bool forward_pass(const ForwardJob<T>& job, int threads, Interrupt::Check check) {
  const Split split =
      Split::plan(job.shape, job.batch, kernels::of_type<T>(job.weights.table()).lanes, sizeof(T), threads);
  return ForwardPass<T>(job, split, check).run();
}

template <class T>
bool forward(const StackShape& shape, const PackedWeights<T>& weights, const Batch& batch,
             const Sequences<T>& sequences, int threads, Interrupt::Check check) {
  return forward_pass<T>({shape, weights, batch, sequences, Scope::all(shape, batch)}, threads, check);
}

template bool forward_pass(const ForwardJob<float>&, int, Interrupt::Check);
template bool forward_pass(const ForwardJob<double>&, int, Interrupt::Check);
template bool forward(const StackShape&, const PackedWeights<float>&, const Batch&, const Sequences<float>&, int,
                      Interrupt::Check);
template bool forward(const StackShape&, const PackedWeights<double>&, const Batch&, const Sequences<double>&, int,
                      Interrupt::Check);

}  // namespace pyrnn
