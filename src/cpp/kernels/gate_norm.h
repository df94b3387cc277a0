// SPDX-License-Identifier: Apache-2.0
// Layer normalisation inside the cells (Ba et al. 2016), over the sums of all gates of a row. It goes panel by panel
// and slot by slot, so that each mean has one order. Missing units of the last panel do not count.
#pragma once

#include "kernels/layer_norm.h"
#include "kernels/step_kernels.h"

namespace pyrnn::kernels {
namespace {

template <class T>
constexpr T kNormEps = T(1e-5);  // torch's default

// Calls f(place in a row's gates, place in the packed gains, part) for each vector of gates.
template <class T, class F>
PYRNN_INLINE void for_each_gate(const PanelMap& map, Index panel_stride, F&& f) {
  constexpr Index L = kLanes<T>;
  const Index full = map.units / L;
  for (Index panel = 0; panel < full; ++panel)
    for (int slot = 0; slot < map.slots; ++slot)
      f(panel * panel_stride + slot * L, (panel * map.slots + slot) * L, Whole<T>{});
  for (int slot = 0; full * L < map.units && slot < map.slots; ++slot)
    f(full * panel_stride + slot * L, (full * map.slots + slot) * L, First<T>{static_cast<int>(map.units - full * L)});
}

template <class T>
void gate_norm(const GateNorm<T>& q) noexcept {
  const T count = static_cast<T>(q.map.slots * q.map.units);
  for (Index row = 0; row < q.rows; ++row) {
    const Index first = row * 4 * kLanes<T>;
    const T* in = q.in + first;
    Vec<T> sum{}, squares{};
    for_each_gate<T>(q.map, q.panel, [&](Index at, Index, auto part) __attribute__((always_inline)) {
      sum = sum + part.load(in + at);
    });
    const T mean = sum_of_lanes<T>(sum) / count;
    for_each_gate<T>(q.map, q.panel, [&](Index at, Index, auto part) __attribute__((always_inline)) {
      const Vec<T> away = part.load_or(in + at, mean) - mean;
      squares = fma(away, away, squares);
    });
    const T scale = q.scale[row] = scale_of(sum_of_lanes<T>(squares) / count, kNormEps<T>);
    for_each_gate<T>(q.map, q.panel, [&](Index at, Index gain, auto part) __attribute__((always_inline)) {
      const Vec<T> normal = (part.load(in + at) - mean) * scale;
      const Vec<T> start = q.add ? part.load(q.out + first + at) : q.bias ? load(q.bias + gain) : Vec<T>{};
      part.store(q.normal + first + at, normal);
      part.store(q.out + first + at, fma(normal, load(q.gain + gain), start));
    });
  }
}

template <class T>
PYRNN_INLINE void gate_norm_backward(const GateNormGradient<T>& q, Index rows, Index panel_stride) {
  for (Index row = 0; row < rows; ++row) {
    const Index first = row * 4 * kLanes<T>;
    const T *d_out = q.d_out + first, *normal = q.normal + first;
    Vec<T> sum{}, sum_normal{};
    for_each_gate<T>(q.map, panel_stride, [&](Index at, Index gain, auto part) __attribute__((always_inline)) {
      const Vec<T> g = part.load(d_out + at) * load(q.gain + gain);
      sum = sum + g;
      sum_normal = fma(g, part.load(normal + at), sum_normal);
    });
    const NormalGradient<T> gradient(sum, sum_normal, q.map.slots * q.map.units);
    for_each_gate<T>(q.map, panel_stride, [&](Index at, Index gain, auto part) __attribute__((always_inline)) {
      const Vec<T> g = part.load(d_out + at) * load(q.gain + gain);
      part.store(q.d_in + first + at, gradient.d_x(g, part.load(normal + at), q.scale[row]));
    });
  }
}

}  // namespace
}  // namespace pyrnn::kernels
