// SPDX-License-Identifier: Apache-2.0
// The kernels' arguments for one time step of a recurrent layer.
#pragma once

#include "kernels/packed_types.h"
#include "kernels/panel_kernels.h"

namespace pyrnn::kernels {

// Layer normalisation of the sums of all gates in a row (Ba et al. 2016). `normal` holds (sum - mean)*scale, laid out
// as the gates are; of a gate buffer's layout are all pointers but `gain` and `bias`, [panel][slots*lanes].
template <class T>
struct GateNorm {
  PanelMap map;
  Index rows;
  Index panel;    // from panel to panel of the three buffers
  const T* in;    // the sums, panel 0, first slot
  T* normal;      // may be `in`
  T* scale;       // [rows]
  const T* gain;
  const T* bias;  // null: 0
  T* out;
  bool add;       // out += normal*gain + bias, rather than =
};

// d_in of d_out, both in gate buffers.
template <class T>
struct GateNormGradient {
  PanelMap map = {};
  const T* d_out = nullptr;
  const T* normal = nullptr;
  const T* scale = nullptr;
  const T* gain = nullptr;  // null: no layer normalisation
  T* d_in = nullptr;
};

// Layer normalisation of the LSTM's c' before the output's tanh.
template <class T>
struct CellNorm {
  const T* gain;  // [H], padded to whole panels
  const T* bias;  // [H] likewise, or null: 0
  T* normal;      // [rows][H]: (c' - mean)*scale
  T* scale;       // [rows]
};

// What the LSTM's options add to its equations (lstm.h).
template <class T>
struct LstmOptions {
  bool coupled = false;         // f = 1 - i
  const T* peephole = nullptr;  // [panel][i, o, f of its units], coupled gates without f; null: none
  T cell_clip = 0;              // 0: none
  bool any() const { return peephole || cell_clip > 0; }
};

// One time step of a layer and direction; W as in kernels.h. Rows are samples; h, c and their gradients have rows of
// `state_row` elements, padded to whole panels.
template <class T, class W = T>
struct StepForward {
  Index rows;
  Index panel_begin, panel_end;
  bool descending;  // the last panel first
  PanelMap map;  // of W_hh
  const T* h_prev;  // [rows][P], stride h_prev_row
  const T* h_in;  // what W_hh multiplies: h_prev, or what an option makes of it
  Index h_prev_row;
  Index h_prev_columns;  // P
  const W* w_hh;  // PackForward
  const W* w_hn;  // Candidate::gated_state: its part of W_hh, PackForward; else null
  const T* b_hn;  // Candidate::gated_sum: [panel][lanes]; else null
  T* gates;  // this step's first row of panel 0; in: x*W_ih + b; out: the gates
  Index gates_panel;
  const T* c_prev;  // cells with c [rows][H]
  T* c;  // cells with c [rows][H]
  T* h;  // [rows][H]
  T* rh;  // Candidate::gated_state: what W_hn multiplies, r*h_in [rows][H]
  Index state_row;
  LstmOptions<T> lstm = {};
  GateNorm<T> norm = {};  // of W_hh h: `in` is where the product goes; gain null: none
  CellNorm<T> cell_norm = {};
  Int8* left = nullptr;  // room for what a phase multiplies, [rows][left_bytes(P or H)]; null: in place
  bool left_is_made = false;  // it stands there already
};

template <class T, class W = T>
struct StepBackward {
  Index rows;
  Index column_panel_begin, column_panel_end;  // units in panels of 4*lanes
  bool descending;  // the last column panel first
  PanelMap map;  // of w_hh
  Index next_rows;  // rows that have a next step (in the direction's own order); they come first
  const T* next_d_gates;  // dG of the next step, first slot of W_hh, panel 0
  const W* w_hh;  // PackBackward
  const W* w_hn = nullptr;  // Candidate::gated_state: its part of W_hh, PackBackward
  T* gates;  // in: the gates; out: dG
  Index gates_panel;
  const T* d_y;  // [rows][H], stride d_y_row, or null
  Index d_y_row;
  T* d_h;  // [rows][H] in: d of the final state for rows without a next step, GRU's dh*z for the others
  const T* h_prev;  // GRU [rows][H]
  const T* h_in;  // GRU with reset before: what W_hh multiplied [rows][H]
  const T* h_in_scale = nullptr;  // h_in / h_prev [rows][H]; null: 1
  const T* h;  // RNN [rows][H]
  const T* c_prev;  // LSTM [rows][H]
  const T* c;  // LSTM [rows][H]
  T* d_c;  // LSTM [rows][H], in and out
  T* d_rh;  // GRU with reset before [rows][H]
  Index state_row;
  LstmOptions<T> lstm = {};
  GateNormGradient<T> x_norm = {}, h_norm = {};  // of W_ih x and W_hh h
  CellNorm<T> cell_norm = {};
  T* d_seen = nullptr;  // with cell_norm [rows][H]: the gradient of what the output's tanh saw of c'
};

}  // namespace pyrnn::kernels
