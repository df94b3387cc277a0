// SPDX-License-Identifier: Apache-2.0
// What a stack of recurrent layers is made of, and how its weight matrices fall into panels.
#pragma once

#include "kernels/kernels.h"

namespace pyrnn {

enum class Cell { rnn_tanh, rnn_relu, lstm, gru, gru_reset_before };

// How the outputs of both directions of a layer become one: side by side, or unit by unit.
enum class Merge { concat, sum, mul, average };

// Options of the cells; all are off by default.
struct CellOptions {
  bool peephole = false;         // LSTM
  bool coupled_gates = false;    // LSTM: f = 1 - i
  bool layer_norm = false;       // LSTM, GRU with reset after
  double cell_clip = 0;          // LSTM: bound of c; 0: none
  double zoneout = 0;            // how often h keeps the value of the step before
  double zoneout_cell = 0;       // LSTM: how often c does
  double recurrent_dropout = 0;  // of the h that enters W_hh
  bool operator==(const CellOptions&) const = default;
};

struct StackShape {
  Cell cell;
  Index input;       // I
  Index hidden;      // H
  Index layers;      // L
  Index directions;  // D
  bool bias;
  Index proj;        // 0: none
  double dropout;    // between layers
  Merge merge = Merge::concat;
  CellOptions options = {};
  Index context = 0;  // M: columns of the first layer's input that attention makes of the step before; 0: none

  bool operator==(const StackShape&) const = default;
  bool is_lstm() const { return cell == Cell::lstm; }
  bool is_gru() const { return cell == Cell::gru || cell == Cell::gru_reset_before; }
  Index gates() const { return is_lstm() ? 4 - options.coupled_gates : is_gru() ? 3 : 1; }
  Index output() const { return proj ? proj : hidden; }  // P
  bool merges() const { return directions == 2 && merge != Merge::concat; }
  Index layer_output() const { return merges() ? output() : directions * output(); }  // columns of y
  Index given_input(Index layer) const { return layer == 0 ? input : layer_output(); }
  Index layer_input(Index layer) const { return given_input(layer) + (layer == 0 ? context : 0); }
  // Panels of the first layer's input, of four vectors of columns each, that hold nothing of the context.
  Index given_panels(Index lanes) const { return context ? input / (4 * lanes) : ceil_div(input, 4 * lanes); }
  // Arrays per layer and direction: w_ih, w_hh, b_ih and b_hh with bias, w_hr with projection, then those of the cell's
  // options: the peepholes, the gains of W_ih x and W_hh h, the LSTM's gain and (with bias) shift of c.
  Index arrays() const {
    const Index norms = options.layer_norm ? 2 + (is_lstm() ? 1 + bias : 0) : 0;
    return 2 + (bias ? 2 : 0) + (proj ? 1 : 0) + options.peephole + norms;
  }
};

// How W_ih, W_hh and W_hr of one layer and direction fall into panels.
struct CellMaps {
  kernels::PanelMap x;          // W_ih
  kernels::PanelMap h;          // W_hh; GRU with reset before: its part of r and z
  kernels::PanelMap candidate;  // GRU: W_hn alone
  kernels::PanelMap proj;       // W_hr
  kernels::PanelMap units;      // one number per unit
  kernels::PanelMap peephole;   // LSTM: i, o, f, which torch's order would call 0, 2, 1
  int h_slot;                   // first slot of `h` in the gate buffer
  bool reset_before;
};

// Rows of a packed weight matrix: those of the matrix, and the missing units of its last panel.
inline Index padded_rows(const kernels::PanelMap& map) { return map.panels() * map.panel_size(); }

inline CellMaps maps_of(const StackShape& shape, Index lanes) {
  const Index H = shape.hidden;
  const kernels::PanelMap plain{.units = H, .block = 4 * lanes, .slots = 1, .gate = {0}};
  const kernels::PanelMap units{.units = H, .block = lanes, .slots = 1, .gate = {0}};
  const kernels::PanelMap proj{.units = shape.proj, .block = 4 * lanes, .slots = 1, .gate = {0}};
  if (shape.is_lstm()) {
    kernels::PanelMap all{.units = H, .block = lanes, .slots = 4, .gate = {0, 2, 3, 1}};
    kernels::PanelMap peephole{.units = H, .block = lanes, .slots = 3, .gate = {0, 2, 1}};
    if (shape.options.coupled_gates) {
      all = {.units = H, .block = lanes, .slots = 3, .gate = {0, 1, 2}};
      peephole = {.units = H, .block = lanes, .slots = 2, .gate = {0, 1}};
    }
    return {.x = all,
            .h = all,
            .candidate = {},
            .proj = proj,
            .units = units,
            .peephole = peephole,
            .h_slot = 0,
            .reset_before = false};
  }
  if (!shape.is_gru())
    return {.x = plain,
            .h = plain,
            .candidate = {},
            .proj = proj,
            .units = units,
            .peephole = {},
            .h_slot = 0,
            .reset_before = false};
  const bool before = shape.cell == Cell::gru_reset_before;
  return {.x = {.units = H, .block = lanes, .slots = 3, .gate = {2, 0, 1}},
          .h = {.units = H, .block = lanes, .slots = before ? 2 : 3, .gate = {0, 1, 2}},
          .candidate = {.units = H, .block = lanes, .slots = 1, .gate = {2}},
          .proj = proj,
          .units = units,
          .peephole = {},
          .h_slot = 1,
          .reset_before = before};
}

// Rows of a buffer of our own: whole vectors, and never a multiple of 1 KiB apart, where the rows of a tile would fall
// into few sets of the first-level cache.
template <class T>
Index padded_row(Index columns, Index lanes) {
  const Index row = round_up(columns, lanes);
  return row * static_cast<Index>(sizeof(T)) % 1024 == 0 ? row + lanes : row;
}

}  // namespace pyrnn
