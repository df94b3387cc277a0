// SPDX-License-Identifier: Apache-2.0
// What a stack of recurrent layers is made of, and how its weight matrices fall into panels.
#pragma once

#include "kernels/kernels.h"

namespace pyrnn {

enum class Cell { rnn_tanh, rnn_relu, lstm, gru, gru_reset_before };

// How the outputs of both directions of a layer become one: side by side, or unit by unit.
enum class Merge { concat, sum, mul, average };

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
  Index context = 0;  // M: columns of the first layer's input that attention makes of the step before; 0: none

  bool is_lstm() const { return cell == Cell::lstm; }
  Index gates() const { return is_lstm() ? 4 : cell == Cell::gru || cell == Cell::gru_reset_before ? 3 : 1; }
  Index output() const { return proj ? proj : hidden; }  // P
  bool merges() const { return directions == 2 && merge != Merge::concat; }
  Index layer_output() const { return merges() ? output() : directions * output(); }  // columns of y
  Index given_input(Index layer) const { return layer == 0 ? input : layer_output(); }
  Index layer_input(Index layer) const { return given_input(layer) + (layer == 0 ? context : 0); }
  // Panels of the first layer's input, of four vectors of columns each, that hold nothing of the context.
  Index given_panels(Index lanes) const { return context ? input / (4 * lanes) : ceil_div(input, 4 * lanes); }
  // Arrays per layer and direction: w_ih, w_hh, b_ih and b_hh with bias, w_hr with projection.
  Index arrays() const { return 2 + (bias ? 2 : 0) + (proj ? 1 : 0); }
};

// How W_ih, W_hh and W_hr of one layer and direction fall into panels.
struct CellMaps {
  kernels::PanelMap x;          // W_ih
  kernels::PanelMap h;          // W_hh; GRU with reset before: its part of r and z
  kernels::PanelMap candidate;  // GRU: W_hn alone
  kernels::PanelMap proj;       // W_hr
  int h_slot;                   // first slot of `h` in the gate buffer
  bool reset_before;
};

// Rows of a packed weight matrix: those of the matrix, and the missing units of its last panel.
inline Index padded_rows(const kernels::PanelMap& map) { return map.panels() * map.panel_size(); }

inline CellMaps maps_of(const StackShape& shape, Index lanes) {
  const Index H = shape.hidden;
  const kernels::PanelMap plain{.units = H, .block = 4 * lanes, .slots = 1, .gate = {0}};
  const kernels::PanelMap proj{.units = shape.proj, .block = 4 * lanes, .slots = 1, .gate = {0}};
  if (shape.gates() == 1)
    return {.x = plain, .h = plain, .candidate = {}, .proj = proj, .h_slot = 0, .reset_before = false};
  if (shape.is_lstm()) {
    const kernels::PanelMap all{.units = H, .block = lanes, .slots = 4, .gate = {0, 1, 2, 3}};
    return {.x = all, .h = all, .candidate = {}, .proj = proj, .h_slot = 0, .reset_before = false};
  }
  const bool before = shape.cell == Cell::gru_reset_before;
  return {.x = {.units = H, .block = lanes, .slots = 3, .gate = {2, 0, 1}},
          .h = {.units = H, .block = lanes, .slots = before ? 2 : 3, .gate = {0, 1, 2}},
          .candidate = {.units = H, .block = lanes, .slots = 1, .gate = {2}},
          .proj = proj,
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
