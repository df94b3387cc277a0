// SPDX-License-Identifier: Apache-2.0
// All benchmarks, and the weights and gate buffers that several of them share.
//
// To add one: a function like activation() in elementwise_bench.cpp (arrays, the case, the kernel's call, the sample to
// compare), called from the file's last function.
#pragma once

#include <string>

#include "array.h"
#include "bench.h"
#include "core/recurrent/buffers.h"
#include "reference.h"

namespace pyrnn::bench {

template <class T>
void bench_matrix_kernels(Bench<T>& bench);
template <class T>
void bench_steps(Bench<T>& bench);
template <class T>
void bench_elementwise(Bench<T>& bench);
template <class T>
void bench_stream(Bench<T>& bench);

// The calls of whole layers among those of count.h.
void count_layers(const kernels::KernelTable& table);

// The command `stream`: answers each line "r" of standard input with the seconds that a step of one row now takes, as a
// caller's clock sees it, when at most `threads` threads share it.
template <class T>
void serve_stream(Cell cell, Index hidden, int threads);

constexpr Cell kCells[] = {Cell::lstm, Cell::gru, Cell::rnn_tanh};
inline const char* name_of(Cell cell) { return cell == Cell::lstm ? "lstm" : cell == Cell::gru ? "gru" : "rnn"; }

inline const kernels::Cell& row_of(Cell cell) {
  return *find_cell(cell == Cell::rnn_tanh ? "rnn_tanh" : name_of(cell));
}

// One layer with as many inputs as units.
inline StackShape square_layer(Cell cell, Index hidden) {
  return {.cell = &row_of(cell),
          .input = hidden,
          .hidden = hidden,
          .layers = 1,
          .directions = 1,
          .bias = true,
          .proj = 0,
          .dropout = 0};
}

// A weight matrix (gates*H, H) as torch lays it out, and packed for both passes.
template <class T>
struct Matrix {
  kernels::PanelMap map;
  Index columns;  // K
  Array<T> plain, forward, backward;

  Matrix(const kernels::Kernels<T>& k, const kernels::PanelMap& map_in, Index gates)
      : map(map_in),
        columns(map.units),
        plain(random_array<T>(gates * map.units * columns, 1 / std::sqrt(static_cast<double>(columns)))),
        forward(size()),
        backward(size()) {
    k.pack_forward(
        {.map = map, .weight = plain, .columns = columns, .panel_begin = 0, .panel_end = map.panels(), .out = forward});
    k.pack_backward({.map = map,
                     .weight = plain,
                     .columns = columns,
                     .column_panel_begin = 0,
                     .column_panel_end = ceil_div(columns, 4 * k.lanes),
                     .out = backward});
  }
  Index rows() const { return map.panels() * map.panel_size(); }
  Index size() const { return rows() * round_up(columns, map.block); }
  double bytes() const { return static_cast<double>(map.slots * map.units * columns) * sizeof(T); }
  double flops(Index batch_rows) const {
    return 2.0 * static_cast<double>(batch_rows * map.slots * map.units * columns);
  }
  double at(int slot, Index unit, Index k) const { return plain[(map.gate[slot] * map.units + unit) * columns + k]; }
};

// Where the gate buffer holds one element of a row.
struct GateLayout {
  kernels::PanelMap map;
  Index lanes, panel;  // panel: from panel to panel
  GateLayout(const kernels::PanelMap& map_in, Index lanes_in, Index rows)
      : map(map_in), lanes(lanes_in), panel(gates_panel_stride(rows, lanes)) {}
  Index size() const { return map.panels() * panel; }
  Index at(Index row, int slot, Index unit) const {
    return unit / map.block * panel + row * 4 * lanes + slot * map.block + unit % map.block;
  }
};

// Element i of an array [rows][slots][units], units fastest.
struct GateIndex {
  Index row, unit;
  int slot;
  GateIndex(Index i, int slots, Index units)
      : row(i / units / slots), unit(i % units), slot(static_cast<int>(i / units % slots)) {}
};

}  // namespace pyrnn::bench
