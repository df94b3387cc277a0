// SPDX-License-Identifier: Apache-2.0
// One time step of a layer and direction, for passes and streams alike: its kernels' arguments, and its phases.
#pragma once

#include "core/recurrent/buffers.h"
#include "core/recurrent/member.h"
#include "core/runtime/caches.h"

namespace pyrnn {

// gates = b + x*W_ih for some rows and one panel (of its columns from `first` on), or added to them.
template <class T, class W = T>
struct InputProduct {
  Index rows;
  kernels::LeftRows<T, W> x;  // [rows][I]
  Index columns;  // of x
  T* gates;       // panel 0, first row
  Index gates_panel;
  bool next_follows = false;  // the product after this one is that of the next panel
  bool adds = false;
  Index panels = 1;  // of a group (kernels::for_each_group)
  Index first = 0;  // whole groups (kernels::kTogether) of columns
  Index weight_columns = 0;  // I; 0: columns
};
template <class T, class W>
void input_product(const kernels::Kernels<T, W>& k, const kernels::PanelMap& map,
                   const typename PackedWeights<T, W>::Direction& weights, Index panel, const InputProduct<T, W>& in) {
  const int width = map.width(panel, k.lanes);
  const Index panel_elements = kernels::packed_columns<W>(larger(in.weight_columns, in.columns)) * map.panel_size();
  const W* w_ih = weights.w_ih + panel * panel_elements;
  k.product({.rows = in.rows,
             .width = width,
             .a = in.x.rows,
             .a_row = in.x.row,
             .a_paired = in.x.paired,
             .b = w_ih + in.first * width * k.lanes,
             .b_step = width * k.lanes,
             .length = in.columns,
             .start = in.adds         ? kernels::Start::add
                      : weights.ln_ih ? kernels::Start::zero
                                      : kernels::Start::bias,
             .bias = weights.bias + panel * map.panel_size(),
             .c = in.gates + panel * in.gates_panel,
             .c_row = 4 * k.lanes,
             .panels = in.panels,
             .b_panel = panel_elements,
             .c_panel = in.gates_panel,
             .ahead = in.next_follows && kernels::outgrow_cache<W>(map.panels() * panel_elements, cache_sizes())
                          ? w_ih + panel_elements
                          : nullptr});
}

// The rows of a step that a member works on.
struct BufferedStep {
  Index count;
  Index row;        // where they begin in the buffers,
  Index previous;   // and where those of the step before do: h and c that enter the step
  bool descending;  // the last panel first
};

// What a step back reads and writes, besides the gradients of the states.
template <class T>
struct BackwardBuffers {
  const StepBuffers<T>& saved;
  const typename PackedWeights<T>::Direction& weights;
  const BackwardWeights<T>& backward_weights;
  GateGradients<T> d_gates;
};

template <class T, class W = T>
class CellSteps {
 public:
  using Weights = typename PackedWeights<T, W>::Direction;

  CellSteps(const StackShape& shape, const CellMaps& maps, const PackedWeights<T, W>& weights, Index buffer_rows)
      : shape_(shape),
        maps_(maps),
        k_(kernels::of_type<T, W>(weights.table())),
        cell_(cell_kernels(k_, *shape.cell)),
        width_(shape, k_.lanes),
        gates_panel_(gates_panel_stride(buffer_rows, k_.lanes)) {}

  // Room for what W_hh multiplies, if not in place: of all rows for each member that shares units, else of each row
  // once. Before the arena allocates.
  void want_left(Arena& arena, Index batch_rows, const Split& split) {
    left_row_ = kernels::left_bytes(k_, larger(shape_.output(), shape_.hidden));
    if (!left_row_) return;
    left_member_ = split.by_units ? batch_rows * left_row_ : 0;
    arena.want(left_, split.by_units ? split.threads * batch_rows : batch_rows, left_row_);
  }

  // More than one phase, of which each needs what the one before has made of all units.
  bool has_phases() const { return cell_.forward[1] || shape_.proj > 0 || shape_.options.layer_norm; }

  // With layer normalisation: of W_ih x, whose sums then stand in the gates.
  void normalise_input(const Weights& weights, const StepBuffers<T>& buffers, Index row, Index rows) const {
    k_.gate_norm(norm_rows(weights, buffers, row, rows).input());
  }

  // What the forward kernels are told. The gates hold W_ih x + b.
  kernels::StepForward<T, W> forward(const Member& me, const Weights& weights, const StepBuffers<T>& buffers,
                                     const BufferedStep& at) const {
    const NormRows<T, W> norm = norm_rows(weights, buffers, at.row, at.count);
    return {.rows = at.count,
            .panel_begin = me.panels.begin,
            .panel_end = me.panels.end,
            .descending = at.descending,
            .map = maps_.h,
            .h_prev = buffers.h + at.previous * width_.output,
            .h_in = buffers.h_in + at.previous * width_.output,
            .h_prev_row = width_.output,
            .h_prev_columns = shape_.output(),
            .w_hh = weights.w_hh,
            .w_hn = weights.w_hn,
            .b_hn = weights.b_hn,
            .gates = buffers.gates + gate_row(at.row),
            .gates_panel = gates_panel_,
            .c_prev = row_of(buffers.c, at.previous, width_.state),
            .c = row_of(buffers.c_new, at.row, width_.state),
            .h = shape_.proj ? buffers.m + at.row * width_.state : buffers.h_new + at.row * width_.output,
            .rh = row_of(buffers.rh, at.row, width_.state),
            .state_row = width_.state,
            .lstm = PackedWeights<T, W>::lstm_options(shape_, weights),
            .norm = norm.recurrent(),
            .cell_norm = norm.cell(width_.state),
            .left = left_ ? left_ + me.rank * left_member_ + me.rows.begin * left_row_ : nullptr};
  }

  // One phase of a step without phases, of the panels that it was told.
  void run_alone(const kernels::StepForward<T, W>& step) const { cell_.forward[0](step); }

  // All phases: h~ and c~ of the step, to h_new and c_new.
  void run_forward(const Member& me, bool stopped, const Weights& weights, const StepBuffers<T>& buffers,
                   const BufferedStep& at) const {
    const kernels::StepForward<T, W> step = forward(me, weights, buffers, at);
    for (const auto* phase = cell_.forward; *phase; ++phase) me.phase(stopped, [&] { (*phase)(step); });
    if (shape_.proj) me.phase(stopped, [&] { project(me, weights, step, buffers.h_new + at.row * width_.output); });
  }

  // What the backward kernels are told, without what depends on how dh comes to the step.
  kernels::StepBackward<T> backward(const Member& me, const BackwardBuffers<T>& of, const BufferedStep& at) const {
    const StepBuffers<T>& saved = of.saved;
    const NormRows<T, W> norm = norm_rows(of.weights, saved, at.row, at.count);
    return {.rows = at.count,
            .column_panel_begin = me.column_panels.begin,
            .column_panel_end = me.column_panels.end,
            .descending = at.descending,
            .map = maps_.h,
            .next_rows = 0,
            .next_d_gates = nullptr,
            .w_hh = of.backward_weights.w_hh,
            .w_hn = of.backward_weights.w_hn,
            .gates = saved.gates + gate_row(at.row),
            .gates_panel = gates_panel_,
            .d_y = nullptr,
            .d_y_row = 0,
            .d_h = nullptr,
            .h_prev = saved.h + at.previous * width_.output,
            .h_in = saved.h_in + at.previous * width_.output,
            .h = saved.h_new + at.row * width_.output,
            .c_prev = row_of(saved.c, at.previous, width_.state),
            .c = row_of(saved.c_new, at.row, width_.state),
            .d_c = nullptr,
            .d_rh = nullptr,
            .state_row = width_.state,
            .lstm = PackedWeights<T>::lstm_options(shape_, of.weights),
            .x_norm = norm.gradient(norm.input(), of.d_gates.input),
            .h_norm = norm.gradient(norm.recurrent(), of.d_gates.recurrent),
            .cell_norm = norm.cell(width_.state),
            .d_seen = row_of(saved.norm.d_seen, at.row, width_.state)};
  }

  // The gates become their gradients.
  void run_backward(const Member& me, bool stopped, const kernels::StepBackward<T>& step) const {
    for (const auto* phase = cell_.backward; *phase; ++phase) me.phase(stopped, [&] { (*phase)(step); });
  }

  const kernels::Kernels<T, W>& kernels() const { return k_; }
  Index gates_panel() const { return gates_panel_; }
  Index gate_row(Index row) const { return row * 4 * k_.lanes; }
  // dG of some row, as W_hh has a part in it.
  const T* recurrent_d_gates(const GateGradients<T>& d_gates, Index row) const {
    return d_gates.recurrent + gate_row(row) + maps_.h_slot * k_.lanes;
  }

 private:
  NormRows<T, W> norm_rows(const Weights& weights, const StepBuffers<T>& buffers, Index row, Index rows) const {
    return {maps_, weights, buffers.norm, buffers.gates, gates_panel_, k_.lanes, row, rows};
  }

  // h = W_hr m for the units of P that the member holds.
  void project(const Member& me, const Weights& weights, const kernels::StepForward<T, W>& step, T* h) const {
    const Index block = maps_.proj.block;
    const auto m = kernels::left_rows(
        k_, {step.rows, shape_.hidden, step.h, step.state_row, step.left, kernels::left_bytes(k_, shape_.hidden)});
    for (Index panel = me.projection_panels.begin; panel < me.projection_panels.end; ++panel) {
      const int width = maps_.proj.width(panel, k_.lanes);
      k_.product({.rows = step.rows,
                  .width = width,
                  .a = m.rows,
                  .a_row = m.row,
                  .a_paired = m.paired,
                  .b = weights.w_hr + panel * block * kernels::packed_columns<W>(shape_.hidden),
                  .b_step = width * k_.lanes,
                  .length = shape_.hidden,
                  .start = kernels::Start::zero,
                  .c = h + panel * block,
                  .c_row = width_.output});
    }
  }

  const StackShape& shape_;
  const CellMaps& maps_;
  const kernels::Kernels<T, W>& k_;
  const kernels::CellKernels<T, W>& cell_;
  const RowWidths<T> width_;
  const Index gates_panel_;
  kernels::Int8* left_ = nullptr;
  Index left_row_ = 0, left_member_ = 0;  // from row to row, and from member to member
};

}  // namespace pyrnn
