// SPDX-License-Identifier: Apache-2.0
// Weights between torch's layout, rows gate*H + unit, and the panels that the products read.
#pragma once

#include "kernels/product.h"

namespace pyrnn::kernels {
namespace {

// Columns between two k of a forward panel.
template <class T>
PYRNN_INLINE Index panel_row(const PanelMap& map, Index panel) {
  return map.width(panel, kLanes<T>) * kLanes<T>;
}

template <class T>
void pack_forward(const PackForward<T>& q) noexcept {
  const PanelMap& map = q.map;
  for (Index panel = q.panel_begin; panel < q.panel_end; ++panel) {
    const Index units = map.units_in(panel), row = panel_row<T>(map, panel);
    T* out = q.out + panel * q.columns * map.panel_size();
    for (int slot = 0; slot < map.slots; ++slot) {
      const T* weight = q.weight + (map.gate[slot] * map.units + panel * map.block) * q.columns;
      T* to = out + slot * map.block;
      const Index padded = smaller(map.block, row - slot * map.block);
      for (Index k = 0; k < q.columns; ++k, to += row) {
        for (Index u = 0; u < units; ++u) to[u] = weight[u * q.columns + k];
        for (Index u = units; u < padded; ++u) to[u] = T(0);
      }
    }
  }
}

template <class T>
void pack_backward(const PackBackward<T>& q) noexcept {
  constexpr Index L = kLanes<T>;
  const PanelMap& map = q.map;
  const Index rows = map.panels() * map.panel_size();
  for (Index panel = q.column_panel_begin; panel < q.column_panel_end; ++panel) {
    const Index first = panel * 4 * L, columns = smaller(4 * L, q.columns - first);
    const Index width = round_up(columns, L);
    T* out = q.out + first * rows;
    for (Index p = 0; p < map.panels(); ++p)
      for (int slot = 0; slot < map.slots; ++slot)
        for (Index u = 0; u < map.block; ++u, out += width) {
          const Index unit = p * map.block + u;
          const Index real = unit < map.units ? columns : 0;
          const T* from = q.weight + (map.gate[slot] * map.units + (real ? unit : 0)) * q.columns + first;
          for (Index j = 0; j < real; ++j) out[j] = from[j];
          for (Index j = real; j < width; ++j) out[j] = T(0);
        }
  }
}

template <class T>
void pack_bias(const PackBias<T>& q) noexcept {
  const PanelMap& map = q.map;
  for (Index panel = 0; panel < map.panels(); ++panel)
    for (int slot = 0; slot < map.slots; ++slot)
      for (Index u = 0; u < map.block; ++u) {
        const Index unit = panel * map.block + u;
        const Index row = map.gate[slot] * map.units + unit;
        T sum = T(0);
        if (unit < map.units && q.first) sum = q.first[row];
        if (unit < map.units && q.second) sum = sum + q.second[row];
        q.out[panel * q.stride + slot * map.block + u] = sum;
      }
}

template <class T>
void add_gradient(const AddGradient<T>& q) noexcept {
  const PanelMap& map = q.map;
  for (Index panel = q.panel_begin; panel < q.panel_end; ++panel) {
    const Index units = map.units_in(panel);
    for (int slot = 0; slot < map.slots; ++slot) {
      const T* from = q.d_weight + panel * (q.columns + 1) * map.panel_size() + slot * map.block;
      const Index row = map.gate[slot] * map.units + panel * map.block;
      for (Index u = 0; u < units; ++u) {
        T* grad = q.grad + (row + u) * q.columns;
        for (Index k = 0; k < q.columns; ++k) grad[k] += from[k * map.panel_size() + u];
        if (q.bias) q.bias[row + u] += from[q.columns * map.panel_size() + u];
      }
    }
  }
}

}  // namespace
}  // namespace pyrnn::kernels
