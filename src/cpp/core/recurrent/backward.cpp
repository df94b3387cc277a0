// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/backward.h"

#include "core/recurrent/attending.h"
#include "core/recurrent/layer_gradients.h"
#include "core/recurrent/state_gradients.h"
#include "core/recurrent/step.h"

namespace pyrnn {
namespace {

using kernels::Kernels;
using kernels::Start;

template <class T>
class BackwardPass {
 public:
  BackwardPass(const Saved<T>& saved, const BackwardJob<T>& job, Split split, Interrupt::Check check)
      : saved_(saved),
        shape_(saved.tape.shape),
        batch_(saved.tape.batch),
        k_(kernels::of_type<T>(saved.tape.weights->table())),
        maps_(maps_of(shape_, k_.lanes)),
        scope_(saved.scope),
        weights_(job.weights),
        grad_(job.gradients),
        split_(split),
        interrupt_(check),
        width_(shape_, k_.lanes),
        panel_(gates_panel_stride(saved.rows, k_.lanes)),
        steps_(shape_, maps_, *saved.tape.weights, saved.rows),
        packed_(job.weights.size()),
        output_gradients_(saved, k_, grad_, d_layers_),
        attending_(saved, grad_, maps_),
        states_(saved, grad_, maps_),
        layer_gradients_(saved, maps_, packed_, job.out, interrupt_) {
    allocate(job.d_layers);
  }

  bool run() {
    parallel(split_.threads, &interrupt_, [&](int rank, Team& team) noexcept {
      const Member me =
          Member::of({team.size(), split_.by_units}, {shape_, batch_, scope_.steps, maps_, k_.lanes}, rank, team);
      for_each_direction([&](Index layer, std::size_t i) {
        packed_[i].pack(k_, maps_, shape_, layer, weights_[i], {rank, team.size()});
      });
      attending_.prepare(rank, team.size());
      layer_gradients_.clear(me);
      team.barrier();
      for (Index layer = scope_.layers.end - 1; layer >= scope_.layers.begin; --layer) {
        for (Index direction = scope_.directions.begin; direction < scope_.directions.end; ++direction)
          run_direction(me, layer, direction);
        team.barrier();
        layer_gradients_.run(me, layer, input_gradient(layer),
                             {gate_gradients(layer, 0), gate_gradients(layer, shape_.directions - 1)});
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
    arena_.want(d_rh_, B, shape_.gates_state() ? width_.state : 0);
    arena_.want(d_m_, B, shape_.proj ? width_.state : 0);
    output_gradients_.want(arena_);
    attending_.want(arena_);
    states_.want(arena_);
    const Index apart = shape_.options.layer_norm ? maps_.x.panels() : 0;
    d_gates_.resize(static_cast<std::size_t>(shape_.directions));
    for (GateGradients<T>& d : d_gates_) {
      arena_.want(d.input, panel_, apart);
      arena_.want(d.recurrent, panel_, apart);
      arena_.want(d.projected, panel_, shape_.proj ? maps_.proj.panels() : 0);
    }
    T* by_turns[2];
    for (T*& d : by_turns) arena_.want(d, !d_layers && shape_.layers > 1 ? saved_.rows : 0, shape_.layer_input(1));
    layer_gradients_.want(arena_, split_.threads);
    arena_.allocate();
    d_layers_.first_row = batch_.offset(scope_.steps.begin);
    for (Index layer = 0; layer < shape_.layers; ++layer) d_layers_.input.push_back(by_turns[layer % 2]);
    if (d_layers) d_layers_ = *d_layers;
  }

  struct BackwardPlace {
    Place at;
    BackwardBuffers<T> buffers;
  };

  // Without layer normalisation, the gradients of the sums are those of the gates.
  GateGradients<T> gate_gradients(Index layer, Index direction) const {
    GateGradients<T> d = d_gates_[static_cast<std::size_t>(direction)];
    if (!shape_.options.layer_norm)
      d.input = d.recurrent = saved_.directions[static_cast<std::size_t>(layer * shape_.directions + direction)].gates;
    return d;
  }

  BackwardPlace place(Index layer, Index direction) const {
    const std::size_t index = static_cast<std::size_t>(layer * shape_.directions + direction);
    return {.at = {layer, direction, Walk(batch_, shape_.reversed(direction), scope_.steps)},
            .buffers = {.saved = saved_.directions[index],
                        .weights = saved_.tape.weights->of(layer, direction),
                        .backward_weights = packed_[index],
                        .d_gates = gate_gradients(layer, direction)}};
  }

  Rows<T> input_gradient(Index layer) const {
    if (layer > 0) return d_layers_.rows(layer, batch_, shape_);
    if (shape_.context) return attending_.input_gradient();
    return Rows<T>::of_caller(grad_.dx, batch_, shape_.input);
  }

  void run_direction(const Member& me, Index layer, Index direction) {
    const BackwardPlace p = place(layer, direction);
    states_.load(me, p.at);
    me.meet();
    const Segment steps = scope_.steps;
    for (Index step = steps.end - 1; step >= steps.begin; --step) run_step(me, p, step);
    if (steps.begin < steps.end && !interrupt_.requested()) {
      const Range rows = me.active_rows(p.at.walk.active(steps.begin));
      recurrent_gradient(me, p, rows, steps.begin);
      attending_.add_to(states_.d_h(0), width_.output, rows);
    }
    me.meet();
    states_.store(me, p.at);
    me.meet();
  }

  // dG(step) * W_hh for this member's columns: the gradient of the h that entered the step.
  void recurrent_gradient(const Member& me, const BackwardPlace& p, Range rows, Index step) {
    if (rows.empty()) return;
    T* c = states_.changed() ? states_.from_next() : states_.d_h(0);
    const Range panels = shape_.proj ? me.projection_panels : me.column_panels;
    k_.back_product({.map = maps_.h,
                     .rows = rows.size(),
                     .d_gates = steps_.recurrent_d_gates(p.buffers.d_gates, p.at.walk.row(step) + rows.begin),
                     .gates_panel = panel_,
                     .weight = p.buffers.backward_weights.w_hh,
                     .columns = shape_.output(),
                     .column_panel_begin = panels.begin,
                     .column_panel_end = panels.end,
                     .start = shape_.cell->h_passes_gates && !states_.changed() ? Start::add : Start::zero,
                     .c = c + rows.begin * width_.output,
                     .c_row = width_.output,
                     .c_padded = true});
  }

  // This member's rows that go on to the next step of the segment.
  Range going_on(const Member& me, const BackwardPlace& p, Index step) const {
    return me.active_rows(step + 1 < scope_.steps.end ? p.at.walk.active(step + 1) : 0);
  }

  void run_step(const Member& me, const BackwardPlace& p, Index step) {
    const Range rows = me.active_rows(p.at.walk.active(step)), next = going_on(me, p, step);
    const OutputGradient<T> d_y =
        attending_.output_gradient(output_gradients_.rows(me, p.at, step, rows), rows, next.size());
    output_gradients_.add_cells(me, p.at, step, states_.d_c(0), width_.state);
    const bool stopped = interrupt_.requested();
    const BufferedStep at{.count = rows.size(),
                          .row = p.at.walk.row(step) + rows.begin,
                          .previous = p.at.walk.previous_row(step) + rows.begin,
                          .descending = step % 2 == 1};
    kernels::StepBackward<T> s = steps_.backward(me, p.buffers, at);
    s.d_c = states_.d_c(rows.begin);
    s.d_rh = row_of(d_rh_, rows.begin, width_.state);
    if (states_.changed())
      run_changed_step(me, p, step, {stopped, rows, next, d_y}, s);
    else
      run_plain_step(me, p, step, {stopped, rows, next, d_y}, s);
    if (stopped) return;
    attending_.step({.rows = rows,
                     .time = step,
                     .row = at.row,
                     .d_gates = s.gates,
                     .gates_panel = panel_,
                     .w_ih = p.buffers.backward_weights.w_ih,
                     .h = s.h_prev,
                     .h_row = width_.output});
    const double work = static_cast<double>(shape_.output() * shape_.hidden * shape_.gates());
    interrupt_.poll(me.rank, static_cast<double>(rows.size()) * (work + 3 * saved_.tape.input.attended.work()));
  }

  struct StepGradient {
    bool stopped;
    Range rows, next;  // next: those that have a next step
    OutputGradient<T> d_y;
  };

  // The kernel itself adds up dh, of the next step's gates and of y.
  void run_plain_step(const Member& me, const BackwardPlace& p, Index step, const StepGradient& of,
                      kernels::StepBackward<T>& s) {
    s.next_rows = of.next.size();
    if (s.next_rows)
      s.next_d_gates = steps_.recurrent_d_gates(p.buffers.d_gates, p.at.walk.row(step + 1) + of.rows.begin);
    s.d_y = of.d_y.data;
    s.d_y_row = of.d_y.row_stride;
    s.d_h = states_.d_h(of.rows.begin);
    steps_.run_backward(me, of.stopped, s);
  }

  // Projection and options of states make of dh what reaches the cell's own h~, and for these need all of it.
  void run_changed_step(const Member& me, const BackwardPlace& p, Index step, const StepGradient& of,
                        kernels::StepBackward<T>& s) {
    T* projected = p.buffers.d_gates.projected;
    me.phase(of.stopped, [&] { recurrent_gradient(me, p, of.next, step + 1); });
    me.phase(of.stopped, [&] { states_.enter(me, p.at, step, of.next.end, of.d_y, projected); });
    if (shape_.proj && !of.stopped) project_back(me, p, step, of.rows);
    s.d_h = shape_.proj ? d_m_ + of.rows.begin * width_.state : states_.d_new(of.rows.begin);
    s.h_in_scale = states_.h_in_scale(of.rows.begin);
    steps_.run_backward(me, of.stopped, s);
    me.phase(of.stopped, [&] { states_.leave(me, step); });
  }

  // With projection: dm = dh * W_hr, of dh as panels.
  void project_back(const Member& me, const BackwardPlace& p, Index step, Range rows) {
    if (!rows.empty())
      k_.back_product({.map = maps_.proj,
                       .rows = rows.size(),
                       .d_gates = p.buffers.d_gates.projected + steps_.gate_row(p.at.walk.row(step) + rows.begin),
                       .gates_panel = panel_,
                       .weight = p.buffers.backward_weights.w_hr,
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
  const CellSteps<T> steps_;
  Arena arena_;
  std::vector<BackwardWeights<T>> packed_;
  LayerBuffers<T> d_layers_;
  OutputGradients<T> output_gradients_;
  AttendingBackward<T> attending_;
  StateGradients<T> states_;
  LayerGradients<T> layer_gradients_;
  T* d_rh_ = nullptr;
  T* d_m_ = nullptr;
  std::vector<GateGradients<T>> d_gates_;
};

}  // namespace

template <class T>
bool backward_pass(const Saved<T>& saved, const BackwardJob<T>& job, int threads, Interrupt::Check check) {
  const Index lanes = kernels::of_type<T>(saved.tape.weights->table()).lanes;
  const Split split = Split::plan(saved.tape.shape, saved.tape.batch, lanes, sizeof(T), threads);
  return BackwardPass<T>(saved, job, split, check).run();
}

template bool backward_pass(const Saved<float>&, const BackwardJob<float>&, int, Interrupt::Check);
template bool backward_pass(const Saved<double>&, const BackwardJob<double>&, int, Interrupt::Check);

}  // namespace pyrnn
