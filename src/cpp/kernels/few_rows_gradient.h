// SPDX-License-Identifier: Apache-2.0
// grad += dG^T * A for a few rows, computed as it lies in the caller's array, rows gate*H + unit: A is the vector
// operand and dG, whose units lie side by side, the broadcast one. Each sum is the chain of weight_gradient.h, and
// begins at zero before it is added.
#pragma once

#include "kernels/product.h"

namespace pyrnn::kernels {
namespace {

// Neighbouring units of one gate, for some columns.
template <class T, int Units, int Width>
PYRNN_INLINE void few_rows_tile(const FewRowsGradient<T>& q, const T* d_gates, const T* a, int last_lanes, T* grad) {
  constexpr Index L = kLanes<T>;
  constexpr int N = Units * Width;
  const auto at = [&](int i) __attribute__((always_inline)) { return grad + i / Width * q.columns + i % Width * L; };
  unroll<N>(PYRNN_UNROLLED(i) { prefetch(at(i)); });
  const Index run = q.rows / q.segments;
  const Product<T> p{.rows = Units,
                     .width = Width,
                     .a = d_gates,
                     .a_row = 1,
                     .b = a,
                     .b_step = Width * L,
                     .length = run,
                     .start = Start::zero,
                     .c = grad,
                     .c_row = q.columns};
  FetchAhead nothing(p, 1);
  Vec<T> sum[N] = {};
  for (Index s = 0; s < q.segments; ++s)
    multiply_add<T, TileShape<Units, Width, 1, 4 * L>, false>(p, d_gates + s * q.segment_stride, a + s * run * p.b_step,
                                                              nothing, sum);
  unroll<N>(PYRNN_UNROLLED(i) {
    const Vec<T> whole = Vec<T>{} + sum[i];  // a sum of -0 is 0
    if (i % Width == Width - 1 && last_lanes)
      store_first(at(i), load_first(at(i), last_lanes) + whole, last_lanes);
    else
      store(at(i), load(at(i)) + whole);
  });
}

// Calls f(first slot and unit of dG's row, first row of the gradient, units) for the slots of a panel.
template <class T, class F>
PYRNN_INLINE void for_each_slot(const FewRowsGradient<T>& q, Index panel, F&& f) {
  const PanelMap& map = q.map;
  for (int slot = 0; slot < map.slots; ++slot)
    f(q.d_gates + panel * q.gates_panel + slot * map.block, map.gate[slot] * map.units + panel * map.block,
      map.units_in(panel));
}

template <class T>
PYRNN_INLINE void few_rows_bias(const FewRowsGradient<T>& q, const T* d_gates, T* bias, Index units) {
  constexpr Index L = kLanes<T>;
  const Index run = q.rows / q.segments;
  for (Index u = 0; u < units; u += L) {
    Vec<T> sum{};
    for (Index s = 0; s < q.segments; ++s)
      for (Index r = 0; r < run; ++r) sum = load(d_gates + u + s * q.segment_stride + r * 4 * L) + sum;
    const int left = static_cast<int>(smaller(L, units - u));
    store_first(bias + u, load_first(bias + u, left) + sum, left);
  }
}

template <class T>
void few_rows_gradient(const FewRowsGradient<T>& q) noexcept {
  constexpr Index L = kLanes<T>;
  if (q.rows == 0) return;
  for (Index first = 0; first < q.columns; first += 4 * L) {
    const Index columns = smaller(4 * L, q.columns - first);
    const T* a = q.a + first * q.rows;
    with_width<T>(static_cast<int>(ceil_div(columns, L)), [&](auto width) __attribute__((always_inline)) {
      for (Index panel = q.panel_begin; panel < q.panel_end; ++panel)
        for_each_slot(q, panel, [&](const T* d_gates, Index row, Index units) __attribute__((always_inline)) {
          for_each_tile<max_tile_rows(width)>(units, [&](Index unit, auto height) __attribute__((always_inline)) {
            few_rows_tile<T, height, width>(q, d_gates + unit, a, static_cast<int>(columns % L),
                                            q.grad + (row + unit) * q.columns + first);
          });
        });
    });
  }
  if (!q.bias) return;
  for (Index panel = q.panel_begin; panel < q.panel_end; ++panel)
    for_each_slot(q, panel, [&](const T* d_gates, Index row, Index units) __attribute__((always_inline)) {
      few_rows_bias(q, d_gates, q.bias + row, units);
    });
}

}  // namespace
}  // namespace pyrnn::kernels
