// SPDX-License-Identifier: Apache-2.0
// The gradients of one layer and direction's states in the backward pass. They enter at the sequence's end, pass
// through the projection and the options of states at each step, and leave at the sequence's beginning.
#pragma once

#include "core/recurrent/output_gradients.h"
#include "core/recurrent/state_options.h"

namespace pyrnn {

template <class T>
class StateGradients {
 public:
  StateGradients(const Saved<T>& saved, const SequenceGradients<T>& gradients, const CellMaps& maps)
      : saved_(saved),
        shape_(saved.tape.shape),
        batch_(saved.tape.batch),
        grad_(gradients),
        maps_(maps),
        options_(shape_, batch_, kernels::of_type<T>(saved.tape.weights->table()), saved.tape.drop_key()),
        lanes_(kernels::of_type<T>(saved.tape.weights->table()).lanes),
        width_(shape_, lanes_) {}

  // Something stands between h and what the cell made: dh of a step is made before its kernel, which otherwise adds up
  // what comes from the next step and from y.
  bool changed() const { return shape_.proj > 0 || options_.any(); }

  void want(Arena& arena) {
    const Index B = batch_.rows();
    arena.want(d_h_, B, width_.output);
    arena.want(d_c_, B, width_.state);
    arena.want(from_next_, changed() ? B : 0, width_.output);
    arena.want(d_new_, changed() ? B : 0, width_.output);
    arena.want(d_c_past_, options_.changed().c ? B : 0, width_.state);
    options_.want(arena);
  }

  T* d_h(Index row) const { return d_h_ + row * width_.output; }  // of h; changed(): without what W_hh sends back
  T* from_next() const { return from_next_; }                     // changed(): what W_hh sends back
  T* d_new(Index row) const { return d_new_ + row * width_.output; }  // changed(): of what the cell made
  T* d_c(Index row) const { return d_c_ + row * width_.state; }
  const T* h_in_scale(Index row) const { return options_.h_in_scale(row); }

  // Members that share units have to meet after it.
  void load(const Member& me, const Place& at) const {
    const auto copy = [](const T* from, Index row, Index columns, T* to, Index width) {
      copy_padded(from ? from + row * columns : nullptr, columns, to, width);
    };
    const bool last = saved_.scope.steps.end == batch_.steps();
    const T* d_c_last = last ? grad_.dcn : grad_.dc0;
    const Range mine = me.copied_rows(batch_.rows());
    for (Index j = mine.begin; j < mine.end; ++j) {
      copy(last ? grad_.dhn : grad_.dh0, state_row(at, j), shape_.output(), d_h(j), width_.output);
      copy(shape_.has_c() ? d_c_last : nullptr, state_row(at, j), shape_.hidden, d_c(j), width_.state);
    }
    options_.begin(me, at);
  }

  // Of the initial state; after a meeting.
  void store(const Member& me, const Place& at) const {
    const Range mine = me.copied_rows(batch_.rows());
    if (changed()) add_from_next({mine.begin, smaller(mine.end, batch_.active(saved_.scope.steps.begin))});
    for (Index j = mine.begin; j < mine.end; ++j) {
      std::copy_n(d_h(j), shape_.output(), grad_.dh0 + state_row(at, j) * shape_.output());
      if (shape_.has_c()) std::copy_n(d_c(j), shape_.hidden, grad_.dc0 + state_row(at, j) * shape_.hidden);
    }
  }

  // changed(): dh and dc of what the cell made at a step, of which `going_on` rows have a next one; what goes past the
  // cell to the state before stays in d_h. d_projected: dh once more, as panels.
  void enter(const Member& me, const Place& at, Index step, Index going_on, OutputGradient<T> d_y, T* d_projected) {
    options_.draw_step(me, at, step);
    const Range rows = me.copied_rows(batch_.active(step));
    add_from_next({rows.begin, smaller(rows.end, going_on)});
    for (Index j = rows.begin; j < rows.end; ++j) {
      const T* d_out = d_y.data ? d_y.data + (j - me.rows.begin) * d_y.row_stride : nullptr;
      for (Index i = 0; d_out && i < shape_.output(); ++i) d_h(j)[i] += d_out[i];
      options_.finish_step_backward(j, d_h(j), d_new(j), d_c(j), d_c_past_ + j * width_.state);
      if (shape_.proj) spread(d_new(j), d_projected + (at.walk.row(step) + j) * 4 * lanes_);
    }
  }

  // changed(): after the cell's kernel, what it sent past the gates, and what went past it.
  void leave(const Member& me, Index step) const {
    const Range rows = me.copied_rows(batch_.active(step));
    for (Index j = rows.begin; j < rows.end; ++j) {
      for (Index i = 0; shape_.cell->h_passes_gates && i < shape_.hidden; ++i) d_h(j)[i] += d_new(j)[i];
      for (Index i = 0; options_.changed().c && i < shape_.hidden; ++i) d_c(j)[i] += d_c_past_[j * width_.state + i];
    }
  }

 private:
  Index state_row(const Place& at, Index row) const {
    return (at.layer * shape_.directions + at.direction) * batch_.rows() + batch_.state_row(row);
  }
  void add_from_next(Range rows) const {
    for (Index j = rows.begin; j < rows.end; ++j)
      options_.make_h_in_backward(j, from_next_ + j * width_.output, d_h(j));
  }
  void spread(const T* d, T* panels) const {
    const Index stride = gates_panel_stride(saved_.rows, lanes_), block = maps_.proj.block;
    for (Index panel = 0; panel < maps_.proj.panels(); ++panel)
      std::copy_n(d + panel * block, maps_.proj.units_in(panel), panels + panel * stride);
  }

  const Saved<T>& saved_;
  const StackShape& shape_;
  const Batch& batch_;
  const SequenceGradients<T>& grad_;
  const CellMaps& maps_;
  StateOptions<T> options_;
  const Index lanes_;
  const RowWidths<T> width_;
  T* d_h_ = nullptr;  // [B][P]
  T* d_c_ = nullptr;  // [B][H]
  T* from_next_ = nullptr;  // [B][P]
  T* d_new_ = nullptr;  // [B][P]
  T* d_c_past_ = nullptr;  // [B][H]
};

}  // namespace pyrnn
