// SPDX-License-Identifier: Apache-2.0
// The shape of a stack of recurrent layers, and the division of its weight matrices into panels.
#pragma once

#include <limits>

#include "core/recurrent/cell.h"

namespace pyrnn {

// How the outputs of both directions of a layer become one: side by side, or unit by unit.
enum class Merge { concat, sum, mul, average };

// Options of the cells; all are off by default. A cell's row says which of them it may have.
struct CellOptions {
  bool peephole = false;
  bool coupled_gates = false;    // the last slot is made of another gate, LSTM: f = 1 - i
  bool layer_norm = false;
  double cell_clip = 0;          // bound of c; 0: none
  double zoneout = 0;            // how often h keeps the value of the step before
  double zoneout_cell = 0;       // how often c does
  double recurrent_dropout = 0;  // of the h that enters W_hh
  bool single_bias = false;      // b_ih alone
  bool operator==(const CellOptions&) const = default;

  // Calls f(Python's name, option, what a cell's row must allow, the largest number); nullptr: all cells may have it.
  template <class F>
  void for_each(F&& f) {
    f("peephole", peephole, &Cell::lstm_options, 1);
    f("coupled_gates", coupled_gates, &Cell::lstm_options, 1);
    f("layer_norm", layer_norm, &Cell::may_normalise, 1);
    f("cell_clip", cell_clip, &Cell::lstm_options, std::numeric_limits<double>::infinity());
    f("zoneout", zoneout, nullptr, 1);
    f("zoneout_cell", zoneout_cell, &Cell::has_c, 1);
    f("recurrent_dropout", recurrent_dropout, nullptr, 1);
    f("single_bias", single_bias, &Cell::adds_biases, 1);
  }
};

struct StackShape {
  const Cell* cell;  // from find_cell
  Index input;       // I
  Index hidden;      // H
  Index layers;      // L
  Index directions;  // D
  bool bias;
  Index proj;        // 0: none
  double dropout;    // between layers
  Merge merge = Merge::concat;
  CellOptions options = {};
  bool reverse = false;  // the one direction reads each row from its end
  Index context = 0;  // M: columns of the first layer's input that attention makes of the step before; 0: none

  bool operator==(const StackShape&) const = default;
  bool has_c() const { return cell->has_c; }
  bool gates_state() const { return cell->candidate == Candidate::gated_state; }
  Index gates() const { return cell->x.count - options.coupled_gates; }  // G
  Index output() const { return proj ? proj : hidden; }  // P
  bool reversed(Index direction) const { return reverse || direction == 1; }
  // Whether the steps of some direction are not those of its layer's output.
  bool reads_backwards() const { return reverse || directions == 2; }
  bool merges() const { return directions == 2 && merge != Merge::concat; }
  Index layer_output() const { return merges() ? output() : directions * output(); }  // columns of y
  Index given_input(Index layer) const { return layer == 0 ? input : layer_output(); }
  Index layer_input(Index layer) const { return given_input(layer) + (layer == 0 ? context : 0); }
  // Panels of the first layer's input, of four vectors of columns each, that hold nothing of the context.
  Index given_panels(Index lanes) const { return context ? input / (4 * lanes) : ceil_div(input, 4 * lanes); }
};

// How the weights of one layer and direction fall into panels.
struct CellMaps {
  kernels::PanelMap x;          // W_ih
  kernels::PanelMap h;          // W_hh; Candidate::gated_state: without its candidate
  kernels::PanelMap candidate;  // W_hn, the candidate's part of W_hh
  kernels::PanelMap proj;       // W_hr
  kernels::PanelMap units;      // one number per unit
  kernels::PanelMap peephole;   // in the order of the slots
  int h_slot;                   // first slot of `h` in the gate buffer
};

// Rows of a packed weight matrix: those of the matrix, and the missing units of its last panel.
inline Index padded_rows(const kernels::PanelMap& map) { return map.panels() * map.panel_size(); }

// Without the gate of the last slot; the gates after it in torch's order move up.
inline kernels::PanelMap without_last_slot(kernels::PanelMap map) {
  const int gone = map.gate[--map.slots];
  for (int& gate : map.gate) gate -= gate > gone;
  return map;
}

inline CellMaps maps_of(const StackShape& shape, Index lanes) {
  const Cell& cell = *shape.cell;
  const auto map = [&](int slots, const int (&gate)[4]) -> kernels::PanelMap {
    return {.units = shape.hidden,
            .block = cell.x.count == 1 ? 4 * lanes : lanes,
            .slots = slots,
            .gate = {gate[0], gate[1], gate[2], gate[3]}};
  };
  CellMaps maps{.x = map(cell.x.count, cell.x.gate),
                .h = map(cell.h.count, cell.h.gate),
                .candidate = map(1, {cell.candidate_gate}),
                .proj = {.units = shape.proj, .block = 4 * lanes, .slots = 1, .gate = {0}},
                .units = {.units = shape.hidden, .block = lanes, .slots = 1, .gate = {0}},
                .peephole = map(cell.peepholes.count, cell.peepholes.gate),
                .h_slot = cell.h.first};
  if (shape.options.coupled_gates)
    for (kernels::PanelMap* coupled : {&maps.x, &maps.h, &maps.peephole}) *coupled = without_last_slot(*coupled);
  return maps;
}

// Rows of a buffer of our own: whole vectors, and never a multiple of 1 KiB apart, where the rows of a tile would fall
// into few sets of the first-level cache.
template <class T>
Index padded_row(Index columns, Index lanes) {
  const Index row = round_up(columns, lanes);
  return row * static_cast<Index>(sizeof(T)) % 1024 == 0 ? row + lanes : row;
}

}  // namespace pyrnn
