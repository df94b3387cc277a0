// SPDX-License-Identifier: Apache-2.0
// The matrix product, its two gradients, and the packing around them, as one layer of I = H calls them.
#include "benchmarks.h"
#include "core/runtime/shares.h"

namespace pyrnn::bench {
namespace {

using kernels::Start;

// What all of a layer's benchmarks need: its input weights, and their name in a shape.
template <class T>
struct Layer {
  Layer(Bench<T>& bench_in, Cell cell, Index hidden)
      : bench(bench_in),
        k(bench.k),
        units(hidden),
        w(k, maps_of(square_layer(cell, hidden), k.lanes).x, square_layer(cell, hidden).gates()),
        name(name_of(cell)) {}
  Bench<T>& bench;
  const kernels::Kernels<T>& k;
  Index units;
  Matrix<T> w;
  std::string name;

  Index column_panels() const { return ceil_div(w.columns, 4 * k.lanes); }
  std::string shape(Index rows) const { return name + " rows=" + std::to_string(rows) + " " + shape_of_panels(); }
  std::string shape_of_panels() const {
    return "K=" + std::to_string(w.columns) + " width=" + std::to_string(w.map.width(0, k.lanes)) +
           " panels=" + std::to_string(w.map.panels());
  }
};

template <class T>
void product(const Layer<T>& layer, Index rows) {
  const auto& [bench, k, H, w, name] = layer;
  const GateLayout gates(w.map, k.lanes, rows);
  const auto a = random_array<T>(rows * w.columns), bias = random_array<T>(w.rows());
  const Array<T> c(gates.size());
  bench.run(
      {.kernel = "product",
       .shape = layer.shape(rows),
       .pieces = w.map.panels(),
       .flops = w.flops(rows),
       .bytes = rows == 1 ? w.bytes() : 0},
      [&](Index panel) {
        const int width = w.map.width(panel, k.lanes);
        k.product({.rows = rows,
                   .width = width,
                   .a = a,
                   .a_row = w.columns,
                   .b = w.forward + panel * w.columns * w.map.panel_size(),
                   .b_step = width * k.lanes,
                   .length = w.columns,
                   .start = Start::bias,
                   .bias = bias + panel * w.map.panel_size(),
                   .c = c + panel * gates.panel,
                   .c_row = 4 * k.lanes});
      },
      rows * w.map.slots * H,
      [&](Index i) -> Sample {
        const GateIndex g(i, w.map.slots, H);
        Sum sum;
        sum.add(bias[g.unit / w.map.block * w.map.panel_size() + g.slot * w.map.block + g.unit % w.map.block]);
        for (Index n = 0; n < w.columns; ++n) sum.add(a[g.row * w.columns + n], w.at(g.slot, g.unit, n));
        return {c[gates.at(g.row, g.slot, g.unit)], sum.value, rounding_of<T>(sum)};
      });
}

template <class T>
void back_product(const Layer<T>& layer, Index rows) {
  const auto& [bench, k, H, w, name] = layer;
  const GateLayout gates(w.map, k.lanes, rows);
  const auto d_gates = random_array<T>(gates.size());
  const Array<T> c(rows * w.columns);
  bench.run(
      {.kernel = "back_product",
       .shape = layer.shape(rows),
       .pieces = layer.column_panels(),
       .flops = w.flops(rows),
       .bytes = rows == 1 ? w.bytes() : 0},
      [&](Index panel) {
        k.back_product({.map = w.map,
                        .rows = rows,
                        .d_gates = d_gates,
                        .gates_panel = gates.panel,
                        .weight = w.backward,
                        .columns = w.columns,
                        .column_panel_begin = panel,
                        .column_panel_end = panel + 1,
                        .start = Start::zero,
                        .c = c,
                        .c_row = w.columns,
                        .c_padded = false});
      },
      c.count(),
      [&](Index i) -> Sample {
        Sum sum;
        for (int slot = 0; slot < w.map.slots; ++slot)
          for (Index unit = 0; unit < H; ++unit)
            sum.add(d_gates[gates.at(i / w.columns, slot, unit)], w.at(slot, unit, i % w.columns));
        return {c[i], sum.value, rounding_of<T>(sum)};
      });
}

// Element [k][slot][unit] of the transposed gradient.
Index at_transposed(const kernels::PanelMap& map, Index columns, Index k, const GateIndex& g) {
  return (g.unit / map.block * (columns + 1) + k) * map.panel_size() + g.slot * map.block + g.unit % map.block;
}

// A chunk of, say, 16 time steps of 32 rows. In the blocks of columns that core/operations/interruptible_gradient.h
// makes of it.
template <class T>
void weight_gradient(const Layer<T>& layer) {
  const auto& [bench, k, H, w, name] = layer;
  constexpr Index rows = 512;
  const Index all = w.columns + 1, columns = ceil_div(all, ceil_div(all, k.weight_gradient_columns(rows)));
  const GateLayout gates(w.map, k.lanes, rows);
  const auto a = random_array<T>(rows * w.columns), d_gates = random_array<T>(gates.size());
  const Array<T> out(w.rows() * all), scratch(k.weight_gradient_scratch(rows));
  const typename kernels::WeightGradient<T>::Block block{a, rows};
  const auto end_of = [&](Index piece) { return smaller(all, (piece + 1) * columns); };
  Case c{.kernel = "weight_gradient",
         .shape = layer.shape(rows),
         .pieces = ceil_div(all, columns),
         .flops = w.flops(rows)};
  for (Index i = 0; i < c.pieces; ++i) c.work_of_piece.push_back(static_cast<double>(end_of(i) - i * columns));
  bench.run(
      c,
      [&](Index piece) {
        k.weight_gradient({.map = w.map,
                           .blocks = &block,
                           .block_count = 1,
                           .rows = rows,
                           .a_row = w.columns,
                           .columns = w.columns,
                           .column_begin = piece * columns,
                           .column_end = end_of(piece),
                           .d_gates = d_gates,
                           .gates_panel = gates.panel,
                           .segments = 1,
                           .segment_rows = rows,
                           .segment_stride = 0,
                           .out = out,
                           .scratch = scratch});
      },
      all * w.map.slots * H,
      [&](Index i) -> Sample {
        const GateIndex g(i, w.map.slots, H);  // its row counts the columns of A, the last being ones
        Sum sum;
        for (Index r = 0; r < rows; ++r)
          sum.add(g.row < w.columns ? a[r * w.columns + g.row] : 1, d_gates[gates.at(r, g.slot, g.unit)]);
        return {out[at_transposed(w.map, w.columns, g.row, g)], sum.value, rounding_of<T>(sum)};
      });
}

template <class T>
void add_gradient(const Layer<T>& layer) {
  const auto& [bench, k, H, w, name] = layer;
  const Index gate_rows = w.map.slots * H;
  const auto d_weight = random_array<T>(w.rows() * (w.columns + 1));
  const auto before = random_array<T>(gate_rows * w.columns);
  const auto grad = copy_of(before);
  const Array<T> bias(gate_rows);
  bench.run(
      {.kernel = "add_gradient",
       .shape = name + " " + layer.shape_of_panels(),
       .pieces = w.map.panels(),
       .bytes = 2 * w.bytes()},
      [&](Index panel) {
        k.add_gradient({.map = w.map,
                        .d_weight = d_weight,
                        .columns = w.columns,
                        .panel_begin = panel,
                        .panel_end = panel + 1,
                        .grad = grad,
                        .bias = bias});
      },
      (w.columns + 1) * gate_rows,
      [&](Index i) -> Sample {
        const GateIndex g(i, w.map.slots, H);
        const Index row = w.map.gate[g.slot] * H + g.unit, at = row * w.columns + g.row;
        const bool of_bias = g.row == w.columns;
        Sum sum;
        if (!of_bias) sum.add(before[at]);
        sum.add(d_weight[at_transposed(w.map, w.columns, g.row, g)]);
        return {of_bias ? bias[row] : grad[at], sum.value, rounding_of<T>(sum)};
      });
}

template <class T>
void pack_forward(const Layer<T>& layer) {
  const auto& [bench, k, H, w, name] = layer;
  const Array<T> out(w.size());
  bench.run(
      {.kernel = "pack_forward",
       .shape = name + " " + layer.shape_of_panels(),
       .pieces = w.map.panels(),
       .bytes = 2 * w.bytes()},
      [&](Index panel) {
        k.pack_forward({.map = w.map,
                        .weight = w.plain,
                        .columns = w.columns,
                        .panel_begin = panel,
                        .panel_end = panel + 1,
                        .out = out});
      },
      w.columns * w.map.slots * H,
      [&](Index i) -> Sample {
        const GateIndex g(i, w.map.slots, H);  // its row is k
        const Index panel = g.unit / w.map.block, row = w.map.width(panel, k.lanes) * k.lanes;
        const T got =
            out[panel * w.columns * w.map.panel_size() + g.row * row + g.slot * w.map.block + g.unit % w.map.block];
        return {got, w.at(g.slot, g.unit, g.row), 0};
      });
}

template <class T>
void pack_backward(const Layer<T>& layer) {
  const auto& [bench, k, H, w, name] = layer;
  const Array<T> out(w.size());
  const Index panel_columns = 4 * k.lanes;
  bench.run(
      {.kernel = "pack_backward",
       .shape = name + " " + layer.shape_of_panels(),
       .pieces = layer.column_panels(),
       .bytes = 2 * w.bytes()},
      [&](Index panel) {
        k.pack_backward({.map = w.map,
                         .weight = w.plain,
                         .columns = w.columns,
                         .column_panel_begin = panel,
                         .column_panel_end = panel + 1,
                         .out = out});
      },
      w.columns * w.map.slots * H,
      [&](Index i) -> Sample {
        const GateIndex g(i, w.map.slots, H);  // its row is k
        const Index first = g.row / panel_columns * panel_columns;
        const Index width = round_up(smaller(panel_columns, w.columns - first), k.lanes);
        const Index unit_row = (g.unit / w.map.block * w.map.slots + g.slot) * w.map.block + g.unit % w.map.block;
        const T got = out[first * w.rows() + unit_row * width + g.row - first];
        return {got, w.at(g.slot, g.unit, g.row), 0};
      });
}

}  // namespace

template <class T>
void bench_matrix_kernels(Bench<T>& bench) {
  for (const Cell cell : kCells)
    for (const Index hidden : bench.options().hidden_sizes()) {
      const Layer<T> layer(bench, cell, hidden);
      for (const Index rows : bench.options().rows()) product(layer, rows);
      for (const Index rows : {1, 32, 128}) back_product(layer, rows);
      weight_gradient(layer);
      add_gradient(layer);
      pack_forward(layer);
      pack_backward(layer);
    }
}

template void bench_matrix_kernels(Bench<float>&);
template void bench_matrix_kernels(Bench<double>&);

}  // namespace pyrnn::bench
