// SPDX-License-Identifier: Apache-2.0
// A recurrent layer that attends to a memory. Before each step, h_{t-1} is the query for the context, which follows x_t
// in the cell's input. In the backward pass, the gradient of the context becomes gradients of h_{t-1} and the memory.
//
// Members hold rows of their own. Without a memory, nothing in this file has an effect.
#pragma once

#include "core/operations/linear.h"
#include "core/recurrent/buffers.h"
#include "core/recurrent/forward.h"
#include "core/recurrent/output_gradients.h"

namespace pyrnn {

template <class T, class W>
class AttendingForward {
 public:
  explicit AttendingForward(const ForwardJob<T, W>& job)
      : job_(job), k_(kernels::of_type<T>(job.weights.table())), a_(job.sequences.attended) {
    if (!a_.memory || !(a_.query || a_.memory->dropout)) return;
    const Index B = job.batch.rows();
    arena_.want(queries_, a_.query ? B : 0, a_.memory->key_size);
    arena_.want(dropped_, a_.memory->dropout ? B : 0, a_.memory->layout.steps);
    arena_.allocate();
  }

  // The contexts of a step's rows to `to`, from the h that enter the step.
  void step(Range rows, Index time, const T* h, Index h_row, T* to, Index to_row) const {
    const Memory<T>& m = *a_.memory;
    const Rows<T> weights = caller(a_.weights, m.layout.steps), contexts = caller(a_.contexts, m.value_size),
                  queries = caller(a_.queries, m.key_size);
    if (a_.query) {
      a_.query->rows(rows.size(), h, h_row, queries_ + rows.begin * m.key_size, m.key_size);
      h = queries_ + rows.begin * m.key_size;
      h_row = m.key_size;
    }
    for (Index j = rows.begin; j < rows.end; ++j, h += h_row, to += to_row) {
      if (a_.query) std::copy_n(h, m.key_size, queries.at(time, j));
      T *context = contexts.at(time, j), *dropped = m.dropout ? dropped_ + j * m.layout.steps : nullptr;
      k_.elementwise.attention_forward(
          m.of_query(job_.batch.caller_row(j), time, h, weights.at(time, j), dropped, context));
      std::copy_n(context, m.value_size, to);
    }
  }

 private:
  Rows<T> caller(T* data, Index columns) const { return Rows<T>::of_caller(data, job_.batch, columns); }

  const ForwardJob<T, W>& job_;
  const kernels::Kernels<T>& k_;
  const Attended<T>& a_;
  Arena arena_;
  T* queries_ = nullptr;  // [B][key_size]
  T* dropped_ = nullptr;  // [B][S], weights after dropout
};

template <class T>
class AttendingBackward {
 public:
  AttendingBackward(const Saved<T>& saved, const SequenceGradients<T>& gradients, const CellMaps& maps)
      : saved_(saved),
        shape_(saved.tape.shape),
        batch_(saved.tape.batch),
        k_(kernels::of_type<T>(saved.tape.weights->table())),
        maps_(maps),
        a_(saved.tape.input.attended),
        grad_(gradients),
        m_(a_.memory ? *a_.memory : Memory<T>{}),
        query_map_{.units = m_.key_size, .block = 4 * k_.lanes, .slots = 1, .gate = {0}},
        d_h_row_(RowWidths<T>(shape_, k_.lanes).state),
        d_x_row_(shape_.layer_input(0)) {}

  void want(Arena& arena) {
    if (!a_.memory) return;
    const Index B = batch_.rows(), padded = padded_rows(query_map_);
    arena.want(d_x_, saved_.rows, d_x_row_);
    arena.want(d_h_, B, d_h_row_);
    arena.want(d_scores_, B, m_.layout.steps);
    arena.want(dropped_, m_.dropout ? B : 0, m_.layout.steps);
    arena.want(d_query_, a_.query ? B : 0, m_.key_size);
    arena.want(panels_, a_.query ? B : 0, padded);
    arena.want(w_query_, a_.query ? padded : 0, round_up(shape_.hidden, k_.lanes));
  }

  // By all members, before the first step.
  void prepare(int rank, int size) {
    if (!a_.memory) return;
    const Range rows = share_of(batch_.rows() * d_h_row_, rank, size);
    std::fill_n(d_h_ + rows.begin, rows.size(), T(0));
    if (!a_.query) return;
    const Range mine = share_of(ceil_div(shape_.hidden, 4 * k_.lanes), rank, size);
    k_.pack_backward({.map = query_map_,
                      .weight = grad_.attended.w_query,
                      .columns = shape_.hidden,
                      .column_panel_begin = mine.begin,
                      .column_panel_end = mine.end,
                      .out = w_query_});
  }

  // dy of a step's rows, and for the first `going_on` of them what the next step's queries sent back.
  OutputGradient<T> output_gradient(OutputGradient<T> d_y, Range rows, Index going_on) {
    if (!a_.memory) return d_y;
    for (Index r = 0; r < rows.size(); ++r) {
      T* d_h = d_h_ + (rows.begin + r) * d_h_row_;
      if (r >= going_on) std::fill_n(d_h, shape_.hidden, T(0));
      for (Index i = 0; d_y.data && i < shape_.hidden; ++i) d_h[i] += d_y.data[r * d_y.row_stride + i];
    }
    return {d_h_ + rows.begin * d_h_row_, d_h_row_};
  }

  // Of the rows of one step.
  struct Step {
    Range rows;
    Index time;
    Index row;  // of the buffers, where they begin
    const T* d_gates;  // panel 0, first row
    Index gates_panel;
    const T* w_ih;  // kernels::PackBackward
    const T* h;  // of the step before, first row
    Index h_row;
  };
  // Back from the gates' gradients to those of the h before.
  void step(const Step& s) {
    const Range rows = s.rows;
    if (!a_.memory || rows.empty()) return;
    k_.back_product({.map = maps_.x,
                     .rows = rows.size(),
                     .d_gates = s.d_gates,
                     .gates_panel = s.gates_panel,
                     .weight = s.w_ih,
                     .columns = d_x_row_,
                     .column_panel_begin = shape_.given_panels(k_.lanes),
                     .column_panel_end = ceil_div(d_x_row_, 4 * k_.lanes),
                     .start = kernels::Start::zero,
                     .c = d_x_ + s.row * d_x_row_,
                     .c_row = d_x_row_,
                     .c_padded = false});
    const T* h = s.h;
    for (Index j = rows.begin, row = s.row; j < rows.end; ++j, ++row, h += s.h_row)
      attend_back(j, s.time, d_x_ + row * d_x_row_ + shape_.input, h);
    if (!a_.query) return;
    k_.back_product({.map = query_map_,
                     .rows = rows.size(),
                     .d_gates = panels_ + rows.begin * 4 * k_.lanes,
                     .gates_panel = batch_.rows() * 4 * k_.lanes,
                     .weight = w_query_,
                     .columns = shape_.hidden,
                     .column_panel_begin = 0,
                     .column_panel_end = ceil_div(shape_.hidden, 4 * k_.lanes),
                     .start = kernels::Start::zero,
                     .c = d_h_ + rows.begin * d_h_row_,
                     .c_row = d_h_row_,
                     .c_padded = true});
  }

  // What the first step's queries send back to the initial state.
  void add_to(T* d_h, Index d_h_row, Range rows) const {
    for (Index j = rows.begin; a_.memory && j < rows.end; ++j)
      for (Index i = 0; i < shape_.hidden; ++i) d_h[j * d_h_row + i] += d_h_[j * d_h_row_ + i];
  }

  // Where the gradient of the whole input goes, and from there the columns of x to the caller's dx.
  Rows<T> input_gradient() const { return Rows<T>::packed(grad_.dx ? d_x_ : nullptr, batch_, d_x_row_, 0); }
  void store_input_gradient(const Member& me) const {
    if (!a_.memory || !grad_.dx) return;
    const Rows<T> to = caller(grad_.dx, shape_.input);
    for (Index time = 0; time < batch_.steps(); ++time) {
      const Range rows = me.active_rows(batch_.active(time));
      for (Index j = rows.begin; j < rows.end; ++j)
        std::copy_n(d_x_ + (batch_.offset(time) + j) * d_x_row_, shape_.input, to.at(time, j));
    }
  }

 private:
  template <class U>
  Rows<U> caller(U* data, Index columns) const {
    return Rows<U>::of_caller(data, batch_, columns);
  }

  // One row: d_context becomes the gradients of the memory and of the query.
  void attend_back(Index j, Index time, T* d_context, const T* h) {
    const Index row = batch_.caller_row(j), A = m_.key_size, L = k_.lanes;
    if (const Rows<const T> given = caller(grad_.attended.d_contexts, m_.value_size))
      for (Index i = 0; i < m_.value_size; ++i) d_context[i] += given.at(time, j)[i];
    const T* query = a_.query ? caller(a_.queries, A).at(time, j) : h;
    T* d_query = a_.query ? d_query_ + j * A : d_h_ + j * d_h_row_;
    const Index S = m_.layout.steps;
    T* dropped = m_.dropout ? dropped_ + j * S : nullptr;
    const auto forward = m_.of_query(row, time, query, caller(a_.weights, S).at(time, j), dropped, nullptr);
    k_.elementwise.attention_backward(
        grad_.attended.memory.of_row(m_, row, forward, d_context, d_query, d_scores_ + j * S));
    if (!a_.query) return;
    std::copy_n(d_query, A, caller(grad_.attended.d_queries, A).at(time, j));
    for (Index first = 0; first < A; first += 4 * L)
      std::copy_n(d_query + first, smaller(4 * L, A - first), panels_ + first * batch_.rows() + j * 4 * L);
  }

  const Saved<T>& saved_;
  const StackShape& shape_;
  const Batch& batch_;
  const kernels::Kernels<T>& k_;
  const CellMaps& maps_;
  const Attended<T>& a_;
  const SequenceGradients<T>& grad_;
  const Memory<T> m_;
  const kernels::PanelMap query_map_;
  const Index d_h_row_, d_x_row_;
  T* d_x_ = nullptr;  // [R][I + M]
  T* d_h_ = nullptr;  // [B][H], what the queries send back to the h of the step before
  T* d_scores_ = nullptr;  // [B][S]
  T* dropped_ = nullptr;  // [B][S], weights after dropout
  T* d_query_ = nullptr;  // [B][key_size]
  T* panels_ = nullptr;  // the same as panels [panel][B][4*lanes]
  T* w_query_ = nullptr;  // kernels::PackBackward
};

}  // namespace pyrnn
