// SPDX-License-Identifier: Apache-2.0
// One time step of each cell, forward and backward: the recurrent product and the gates.
#include "benchmarks.h"

namespace pyrnn::bench {
namespace {

// The buffers around one step of `rows` samples.
template <class T>
struct Step {
  Step(Bench<T>& bench_in, Cell cell_in, Index hidden, Index rows_in)
      : bench(bench_in),
        k(bench.k),
        cell(cell_in),
        maps(maps_of(square_layer(cell, hidden), k.lanes)),
        rows(rows_in),
        units(hidden),
        state_row(RowWidths<T>(square_layer(cell, hidden), k.lanes).state),
        w(k, maps.h, square_layer(cell, hidden).gates()),
        gates(maps.x, k.lanes, rows),
        b_hn(random_array<T>(maps.x.panels() * k.lanes)),
        h_prev(random_array<T>(rows * state_row)),
        c_prev(random_array<T>(rows * state_row)) {}
  Bench<T>& bench;
  const kernels::Kernels<T>& k;
  Cell cell;
  CellMaps maps;
  Index rows, units, state_row;
  Matrix<T> w;  // W_hh
  GateLayout gates;
  Array<T> b_hn, h_prev, c_prev;

  Case case_of(const char* pass, Index pieces) const {
    return {.kernel = std::string(name_of(cell)) + pass,
            .shape = "rows=" + std::to_string(rows) + " H=" + std::to_string(units),
            .pieces = pieces,
            .flops = w.flops(rows),
            .bytes = rows == 1 ? w.bytes() : 0};
  }
  Index state_at(Index row, Index unit) const { return row * state_row + unit; }
  int slots() const { return cell == Cell::rnn_tanh ? 1 : 4; }  // of the gate buffer, the GRU's W_hn h among them
};

template <class T>
void forward(const Step<T>& s) {
  const auto kernel = cell_kernels(s.k, row_of(s.cell)).forward[0];
  const auto inputs = random_array<T>(s.gates.size()), gates = copy_of(inputs);
  const Array<T> h(s.rows * s.state_row), c(s.rows * s.state_row);
  s.bench.run(
      s.case_of("_forward", s.maps.x.panels()),
      [&](Index panel) {
        kernel({.rows = s.rows,
                .panel_begin = panel,
                .panel_end = panel + 1,
                .map = s.maps.h,
                .h_prev = s.h_prev,
                .h_in = s.h_prev,
                .h_prev_row = s.state_row,
                .h_prev_columns = s.units,
                .w_hh = s.w.forward,
                .w_hn = nullptr,
                .b_hn = s.b_hn,
                .gates = gates,
                .gates_panel = s.gates.panel,
                .c_prev = s.c_prev,
                .c = c,
                .h = h,
                .rh = nullptr,
                .state_row = s.state_row});
      },
      s.rows * s.units,
      [&](Index i) -> Sample {
        const Index row = i / s.units, unit = i % s.units, at = s.state_at(row, unit);
        Sum x[4], recurrent[4], all;
        for (int slot = 0; slot < s.maps.x.slots; ++slot)
          x[s.maps.x.gate[slot]].add(inputs[s.gates.at(row, slot, unit)]);
        if (s.cell == Cell::gru) recurrent[2].add(s.b_hn[unit]);
        for (int slot = 0; slot < s.w.map.slots; ++slot)
          for (Index n = 0; n < s.units; ++n) {
            const double h_prev = s.h_prev[s.state_at(row, n)], w = s.w.at(slot, unit, n);
            recurrent[s.w.map.gate[slot]].add(h_prev, w);
            all.add(h_prev, w);
          }
        const State now = cell_forward(s.cell, x, recurrent, {s.h_prev[at], s.c_prev[at]});
        return {h[at], now.h, rounding_of<T>(all) + kCellRounding<T>};
      });
}

template <class T>
void backward(const Step<T>& s) {
  const auto kernel = cell_kernels(s.k, row_of(s.cell)).backward[0];
  const Index state_size = s.rows * s.state_row;
  const auto next = random_array<T>(s.gates.size(), 0.5), saved = random_array<T>(s.gates.size(), 0.5);
  const auto d_y = random_array<T>(s.rows * s.units, 0.5), d_h_before = random_array<T>(state_size, 0.5);
  const auto d_c_before = random_array<T>(state_size, 0.5);
  const auto h = random_array<T>(state_size), c = random_array<T>(state_size);
  const auto gates = copy_of(saved), d_h = copy_of(d_h_before), d_c = copy_of(d_c_before);
  const Index first_slot = s.maps.h_slot * s.k.lanes;
  s.bench.run(
      s.case_of("_backward", ceil_div(s.units, 4 * s.k.lanes)),
      [&](Index panel) {
        kernel({.rows = s.rows,
                .column_panel_begin = panel,
                .column_panel_end = panel + 1,
                .map = s.maps.h,
                .next_rows = s.rows,
                .next_d_gates = next + first_slot,
                .w_hh = s.w.backward,
                .gates = gates,
                .gates_panel = s.gates.panel,
                .d_y = d_y,
                .d_y_row = s.units,
                .d_h = d_h,
                .h_prev = s.h_prev,
                .h = h,
                .c_prev = s.c_prev,
                .c = c,
                .d_c = d_c,
                .d_rh = nullptr,
                .state_row = s.state_row});
      },
      s.rows * s.slots() * s.units,
      [&](Index i) -> Sample {
        const GateIndex g(i, s.slots(), s.units);
        const Index at = s.state_at(g.row, g.unit);
        Sum d;
        d.add(d_y[g.row * s.units + g.unit]);
        if (s.cell == Cell::gru) d.add(d_h_before[at]);  // what came past the next step's gates
        for (int slot = 0; slot < s.w.map.slots; ++slot)
          for (Index unit = 0; unit < s.units; ++unit)
            d.add(next[s.gates.at(g.row, slot, unit) + first_slot], s.w.at(slot, unit, g.unit));
        double gate[4] = {}, out[4];
        for (int slot = 0; slot < s.slots(); ++slot) gate[slot] = saved[s.gates.at(g.row, slot, g.unit)];
        cell_backward(s.cell, gate, {s.h_prev[at], s.c_prev[at]}, {h[at], c[at]}, {d.value, d_c_before[at]}, out);
        return {gates[s.gates.at(g.row, g.slot, g.unit)], out[g.slot], rounding_of<T>(d) + kCellRounding<T>};
      });
}

}  // namespace

template <class T>
void bench_steps(Bench<T>& bench) {
  for (const Cell cell : kCells)
    for (const Index hidden : bench.options().hidden_sizes())
      for (const Index rows : {1, 32}) {
        const Step<T> step(bench, cell, hidden, rows);
        forward(step);
        backward(step);
      }
}

template void bench_steps(Bench<float>&);
template void bench_steps(Bench<double>&);

}  // namespace pyrnn::bench
