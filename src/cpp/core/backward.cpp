// SPDX-License-Identifier: Apache-2.0
// Back-propagation through time. For each layer, from the last: the steps of both directions backwards, which turn the
// gates into their gradients; then, over all steps at once, the gradient of the layer's input and of its weights.
#include "core/attending.h"
#include "core/cell_steps.h"
#include "core/layer_gradients.h"

namespace pyrnn {
namespace {

using kernels::Kernels;
using kernels::Start;

template <class T>
class BackwardPass {
 public:
  BackwardPass(const Saved<T>& saved, const std::vector<Weights<const T>>& weights,
               const SequenceGradients<T>& gradients, const LayerBuffers<T>* d_layers,
               WeightGradients<T>& weight_gradients, Split split, Interrupt::Check check)
      : saved_(saved),
        shape_(saved.tape.shape),
        batch_(saved.tape.batch),
        k_(kernels::of_type<T>(saved.tape.weights->table())),
        maps_(maps_of(shape_, k_.lanes)),
        scope_(saved.scope),
        weights_(weights),
        grad_(gradients),
        split_(split),
        interrupt_(check),
        width_(shape_, k_.lanes),
        panel_(gates_panel_stride(saved.rows, k_.lanes)),
        packed_(weights.size()),
        output_gradients_(saved, k_, grad_, d_layers_),
        attending_(saved, grad_, maps_),
        layer_gradients_(saved, maps_, packed_, weight_gradients, interrupt_) {
    allocate(d_layers);
  }

  bool run() {
    parallel(split_.threads, [&](int rank, Team& team) noexcept {
      const Member me =
          Member::of({team.size(), split_.by_units}, shape_, batch_, scope_.steps, maps_, k_.lanes, rank, team);
      for_each_direction([&](Index layer, std::size_t i) {
        packed_[i].pack(k_, maps_, shape_, layer, weights_[i], rank, team.size());
      });
      attending_.prepare(rank, team.size());
      layer_gradients_.clear(me);
      team.barrier();
      for (Index layer = scope_.layers.end - 1; layer >= scope_.layers.begin; --layer) {
        for (Index direction = scope_.directions.begin; direction < scope_.directions.end; ++direction)
          run_direction(me, layer, direction);
        team.barrier();
        layer_gradients_.run(me, layer, input_gradient(layer), d_projected_);
        team.barrier();
        if (layer == 0) attending_.store_input_gradient(me);
      }
    });
    return !interrupt_.requested();
  }

 private:
  template <class Visit>
  void for_each_direction(Visit&& visit) {
    for (Index layer = scope_.layers.begin; layer < scope_.layers.end; ++layer)
      for (Index direction = scope_.directions.begin; direction < scope_.directions.end; ++direction)
        visit(layer, static_cast<std::size_t>(layer * shape_.directions + direction));
  }

  void allocate(const LayerBuffers<T>* d_layers) {
    for_each_direction([&](Index layer, std::size_t i) { packed_[i].want(arena_, maps_, shape_, layer, k_.lanes); });
    const Index B = batch_.rows();
    arena_.want(d_h_, B, width_.output);
    arena_.want(d_c_, B, width_.state);
    arena_.want(d_rh_, B, maps_.reset_before ? width_.state : 0);
    arena_.want(d_m_, B, shape_.proj ? width_.state : 0);
    output_gradients_.want(arena_);
    attending_.want(arena_);
    d_projected_.resize(static_cast<std::size_t>(shape_.directions));
    for (T*& d : d_projected_) arena_.want(d, panel_, shape_.proj ? maps_.proj.panels() : 0);
    T* by_turns[2];
    for (T*& d : by_turns) arena_.want(d, !d_layers && shape_.layers > 1 ? saved_.rows : 0, shape_.layer_input(1));
    layer_gradients_.want(arena_, split_.threads);
    arena_.allocate();
    d_layers_.first_row = batch_.offset(scope_.steps.begin);
    for (Index layer = 0; layer < shape_.layers; ++layer) d_layers_.input.push_back(by_turns[layer % 2]);
    if (d_layers) d_layers_ = *d_layers;
  }

  struct Place {
    Index layer, direction;
    Walk walk;
    typename Saved<T>::Direction saved;
    BackwardWeights<T> weights;
    T* d_projected;
  };

  Place place(Index layer, Index direction) const {
    const std::size_t index = static_cast<std::size_t>(layer * shape_.directions + direction);
    return {layer,
            direction,
            Walk(batch_, direction == 1, scope_.steps),
            saved_.directions[index],
            packed_[index],
            d_projected_[static_cast<std::size_t>(direction)]};
  }

  Rows<T> input_gradient(Index layer) const {
    if (layer > 0) return d_layers_.rows(layer, batch_, shape_);
    if (shape_.context) return attending_.input_gradient();
    const SequenceInput<T>& seq = saved_.tape.input;
    return Rows<T>::of_caller(grad_.dx, batch_, seq.array_steps, shape_.input, seq.batch_first);
  }

  void run_direction(const Member& me, Index layer, Index direction) {
    const Place p = place(layer, direction);
    load_final_state(me, p);
    me.meet();
    const Segment steps = scope_.steps;
    for (Index step = steps.end - 1; step >= steps.begin; --step) run_step(me, p, step);
    if (steps.begin < steps.end && !interrupt_.requested()) {
      const Range rows = me.active_rows(p.walk.active(steps.begin));
      recurrent_gradient(me, p, rows, steps.begin, d_h_, width_.output, 0);
      attending_.add_to(d_h_, width_.output, rows);
    }
    me.meet();
    store_initial_state(me, p);
    me.meet();
  }

  Index state_row(const Place& p, Index row) const {
    return (p.layer * shape_.directions + p.direction) * batch_.rows() + batch_.original(row);
  }

  void load_final_state(const Member& me, const Place& p) {
    const auto load = [](const T* from, Index row, Index columns, T* to, Index width) {
      copy_padded(from ? from + row * columns : nullptr, columns, to, width);
    };
    const bool last = scope_.steps.end == batch_.steps();
    const T* d_c = last ? grad_.dcn : grad_.dc0;
    const Range mine = me.copied_rows(batch_.rows());
    for (Index j = mine.begin; j < mine.end; ++j) {
      load(last ? grad_.dhn : grad_.dh0, state_row(p, j), shape_.output(), d_h_ + j * width_.output, width_.output);
      load(shape_.is_lstm() ? d_c : nullptr, state_row(p, j), shape_.hidden, d_c_ + j * width_.state, width_.state);
    }
  }

  void store_initial_state(const Member& me, const Place& p) {
    const Range mine = me.copied_rows(batch_.rows());
    for (Index j = mine.begin; j < mine.end; ++j) {
      std::copy_n(d_h_ + j * width_.output, shape_.output(), grad_.dh0 + state_row(p, j) * shape_.output());
      if (shape_.is_lstm())
        std::copy_n(d_c_ + j * width_.state, shape_.hidden, grad_.dc0 + state_row(p, j) * shape_.hidden);
    }
  }

  // c (+)= dG(step) * W_hh for this member's columns: the gradient of the h that entered the step.
  void recurrent_gradient(const Member& me, const Place& p, Range rows, Index step, T* c, Index c_row, Index c_panel) {
    if (rows.empty()) return;
    const Range panels = shape_.proj ? me.projection_panels : me.column_panels;
    k_.back_product({.map = maps_.h,
                     .rows = rows.size(),
                     .d_gates = gates(p, step, rows.begin) + maps_.h_slot * k_.lanes,
                     .gates_panel = panel_,
                     .weight = p.weights.w_hh,
                     .columns = shape_.output(),
                     .column_panel_begin = panels.begin,
                     .column_panel_end = panels.end,
                     .start = shape_.gates() == 3 ? Start::add : Start::zero,
                     .c = c + rows.begin * c_row,
                     .c_row = c_row,
                     .c_panel = c_panel,
                     .c_padded = true});
  }

  // This member's rows that go on to the next step of the segment.
  Range going_on(const Member& me, const Place& p, Index step) const {
    return me.active_rows(step + 1 < scope_.steps.end ? p.walk.active(step + 1) : 0);
  }

  T* gates(const Place& p, Index step, Index row) const {
    return p.saved.gates + (p.walk.row(step) + row) * 4 * k_.lanes;
  }

  void run_step(const Member& me, const Place& p, Index step) {
    const Range rows = me.active_rows(p.walk.active(step));
    const typename OutputGradients<T>::Source source{p.layer, p.direction, p.walk};
    const OutputGradient<T> d_y =
        attending_.output_gradient(output_gradients_.rows(me, source, step, rows), rows, going_on(me, p, step).size());
    output_gradients_.add_cells(me, source, step, d_c_, width_.state);
    const bool stopped = interrupt_.requested();
    if (shape_.proj) {
      if (stopped)
        me.meet();
      else
        project_back(me, p, step, rows, d_y);
      me.meet();
    }
    if (stopped) {
      for (int i = 0; i < 1 + maps_.reset_before; ++i) me.meet();
      return;
    }
    const Index row = p.walk.row(step) + rows.begin, previous = p.walk.previous_row(step) + rows.begin;
    const Index next = shape_.proj ? 0 : going_on(me, p, step).size();
    const kernels::StepBackward<T> s{
        .rows = rows.size(),
        .column_panel_begin = me.column_panels.begin,
        .column_panel_end = me.column_panels.end,
        .descending = step % 2 == 1,
        .map = maps_.h,
        .next_rows = next,
        .next_d_gates = next ? gates(p, step + 1, rows.begin) + maps_.h_slot * k_.lanes : nullptr,
        .w_hh = p.weights.w_hh,
        .gates = gates(p, step, rows.begin),
        .gates_panel = panel_,
        .d_y = shape_.proj ? nullptr : d_y.data,
        .d_y_row = d_y.row_stride,
        .d_h = (shape_.proj ? d_m_ : d_h_) + rows.begin * width_.state,
        .h_prev = p.saved.h + previous * width_.output,
        .h = p.saved.h + row * width_.output,
        .c_prev = p.saved.c + previous * width_.state,
        .c = p.saved.c + row * width_.state,
        .d_c = d_c_ + rows.begin * width_.state,
        .d_rh = d_rh_ + rows.begin * width_.state,
        .state_row = width_.state};
    cell_backward(k_, shape_, maps_, s, p.weights.w_hn, [&] { me.meet(); });
    attending_.step(rows, step, row, s.gates, panel_, p.weights.w_ih, s.h_prev, width_.output);
    const double work = static_cast<double>(shape_.output() * shape_.hidden * shape_.gates());
    interrupt_.poll(me.rank, static_cast<double>(rows.size()) * (work + 3 * saved_.tape.input.attended.work()));
  }

  // With projection: dh [P] of the step into d_projected (as panels, for the gradient of W_hr), then dm = dh * W_hr.
  void project_back(const Member& me, const Place& p, Index step, Range rows, OutputGradient<T> d_y) {
    const Index L = k_.lanes, at = p.walk.row(step) * 4 * L, next = going_on(me, p, step).size();
    if (next) recurrent_gradient(me, p, {rows.begin, rows.begin + next}, step + 1, p.d_projected + at, 4 * L, panel_);
    for (Index panel = me.projection_panels.begin; panel < me.projection_panels.end; ++panel) {
      const Index first = panel * 4 * L, columns = smaller(4 * L, shape_.proj - first);
      for (Index r = 0; r < rows.size(); ++r) {
        T* d = p.d_projected + panel * panel_ + at + (rows.begin + r) * 4 * L;
        if (r >= next) std::copy_n(d_h_ + (rows.begin + r) * width_.output + first, columns, d);
        if (d_y.data) k_.elementwise.add_to(d, d_y.data + r * d_y.row_stride + first, columns);
      }
    }
    me.meet();
    if (!rows.empty())
      k_.back_product({.map = maps_.proj,
                       .rows = rows.size(),
                       .d_gates = p.d_projected + at + rows.begin * 4 * L,
                       .gates_panel = panel_,
                       .weight = p.weights.w_hr,
                       .columns = shape_.hidden,
                       .column_panel_begin = me.column_panels.begin,
                       .column_panel_end = me.column_panels.end,
                       .start = Start::zero,
                       .c = d_m_ + rows.begin * width_.state,
                       .c_row = width_.state,
                       .c_padded = true});
  }

  const Saved<T>& saved_;
  const StackShape& shape_;
  const Batch& batch_;
  const Kernels<T>& k_;
  const CellMaps maps_;
  const Scope scope_;
  const std::vector<Weights<const T>>& weights_;
  const SequenceGradients<T>& grad_;
  const Split split_;
  Interrupt interrupt_;
  const RowWidths<T> width_;
  const Index panel_;
  Arena arena_;
  std::vector<BackwardWeights<T>> packed_;
  LayerBuffers<T> d_layers_;
  OutputGradients<T> output_gradients_;
  AttendingBackward<T> attending_;
  LayerGradients<T> layer_gradients_;
  T *d_h_ = nullptr, *d_c_ = nullptr, *d_rh_ = nullptr, *d_m_ = nullptr;
  std::vector<T*> d_projected_;
};

}  // namespace

template <class T>
bool backward_pass(const Saved<T>& saved, const std::vector<Weights<const T>>& weights,
                   const SequenceGradients<T>& gradients, const LayerBuffers<T>* d_layers, WeightGradients<T>& out,
                   int threads, Interrupt::Check check) {
  const Index lanes = kernels::of_type<T>(saved.tape.weights->table()).lanes;
  const Split split = Split::plan(saved.tape.shape, saved.tape.batch, lanes, sizeof(T), threads);
  return BackwardPass<T>(saved, weights, gradients, d_layers, out, split, check).run();
}

template bool backward_pass(const Saved<float>&, const std::vector<Weights<const float>>&,
                            const SequenceGradients<float>&, const LayerBuffers<float>*, WeightGradients<float>&, int,
                            Interrupt::Check);
template bool backward_pass(const Saved<double>&, const std::vector<Weights<const double>>&,
                            const SequenceGradients<double>&, const LayerBuffers<double>*, WeightGradients<double>&,
                            int, Interrupt::Check);

}  // namespace pyrnn
