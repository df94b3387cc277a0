// SPDX-License-Identifier: Apache-2.0
// One time step of any cell, as its sequence of kernels. `meet` is called where all members must have finished a part.
#pragma once

#include "core/recurrent/weights.h"

namespace pyrnn {

// gates = b + x*W_ih for some rows and one panel (of its columns from `first` on), or added to them.
template <class T>
struct InputProduct {
  Index rows;
  const T* x;  // [rows][I], stride x_row
  Index x_row;
  Index columns;  // of x
  T* gates;       // panel 0, first row
  Index gates_panel;
  bool next_follows = false;  // the product after this one is that of the next panel
  bool adds = false;
  Index first = 0;
  Index weight_columns = 0;  // I; 0: columns
};
template <class T>
void input_product(const kernels::Kernels<T>& k, const kernels::PanelMap& map,
                   const typename PackedWeights<T>::Direction& weights, Index panel, const InputProduct<T>& in) {
  const int width = map.width(panel, k.lanes);
  const Index panel_elements = larger(in.weight_columns, in.columns) * map.panel_size();
  const T* w_ih = weights.w_ih + panel * panel_elements;
  k.product({.rows = in.rows,
             .width = width,
             .a = in.x,
             .a_row = in.x_row,
             .b = w_ih + in.first * width * k.lanes,
             .b_step = width * k.lanes,
             .length = in.columns,
             .start = in.adds         ? kernels::Start::add
                      : weights.ln_ih ? kernels::Start::zero
                                      : kernels::Start::bias,
             .bias = weights.bias + panel * map.panel_size(),
             .c = in.gates + panel * in.gates_panel,
             .c_row = 4 * k.lanes,
             .ahead = in.next_follows && kernels::outgrow_cache<T>(map.panels() * panel_elements)
                          ? w_ih + panel_elements
                          : nullptr});
}

// With projection, h = W_hr m for the units that a member holds.
template <class T>
struct ProjectionStep {
  const T* w_hr = nullptr;  // PackForward; null: no projection
  T* h = nullptr;           // [rows][P]
  Index h_row = 0;
  Range panels{0, 0};       // of P
};

template <class T, class Meet>
void cell_forward(const kernels::Kernels<T>& k, const StackShape& shape, const CellMaps& maps,
                  const kernels::StepForward<T>& step, const ProjectionStep<T>& projection, Meet&& meet) {
  switch (shape.cell) {
    case Cell::rnn_tanh:
      k.rnn_tanh_forward(step);
      break;
    case Cell::rnn_relu:
      k.rnn_relu_forward(step);
      break;
    case Cell::lstm:
      k.lstm_forward(step);
      break;
    case Cell::gru:
      k.gru_forward(step);
      break;
    case Cell::gru_reset_before:
      k.gru_before_reset(step);
      meet();
      k.gru_before_candidate(step);
      break;
  }
  meet();
  if (!projection.w_hr) return;
  const Index block = maps.proj.block;
  for (Index panel = projection.panels.begin; panel < projection.panels.end; ++panel) {
    const int width = maps.proj.width(panel, k.lanes);
    k.product({.rows = step.rows,
               .width = width,
               .a = step.h,
               .a_row = step.state_row,
               .b = projection.w_hr + panel * block * shape.hidden,
               .b_step = width * k.lanes,
               .length = shape.hidden,
               .start = kernels::Start::zero,
               .c = projection.h + panel * block,
               .c_row = projection.h_row});
  }
  meet();
}

template <class T, class Meet>
void cell_backward(const kernels::Kernels<T>& k, const StackShape& shape, const CellMaps& maps,
                   const kernels::StepBackward<T>& step, const T* w_hn, Meet&& meet) {
  switch (shape.cell) {
    case Cell::rnn_tanh:
      k.rnn_tanh_backward(step);
      break;
    case Cell::rnn_relu:
      k.rnn_relu_backward(step);
      break;
    case Cell::lstm:
      k.lstm_backward(step);
      break;
    case Cell::gru:
      k.gru_backward(step);
      break;
    case Cell::gru_reset_before: {
      k.gru_before_backward_candidate(step);
      meet();
      kernels::StepBackward<T> reset = step;
      reset.map = maps.candidate;
      reset.w_hh = w_hn;
      k.gru_before_backward_reset(reset);
      break;
    }
  }
  meet();
}

}  // namespace pyrnn
