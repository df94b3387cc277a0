// SPDX-License-Identifier: Apache-2.0
// Gradients of weights that act unit by unit (peepholes, gains): sums over rows, one chain per element.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pyrnn::kernels {
namespace {

// One slot of one panel: the sum over the rows of all steps, then what `out` holds, so that each chunk is a sum of its
// own.
template <class T>
PYRNN_INLINE void diagonal_of_slot(const DiagonalGradient<T>& q, Index panel, int slot) {
  constexpr Index L = kLanes<T>;
  const Index out = panel * q.out_panel + slot * L;
  Vec<T> sum{}, bias{};
  for (const auto* step = q.steps; step < q.steps + q.step_count; ++step) {
    const T *d = step->d + panel * q.d_panel + slot * L, *a = step->a + panel * q.a_panel + slot * q.a_slot;
    for (Index row = 0; row < step->rows; ++row, d += q.d_row, a += q.a_row) {
      sum = fma(load(a), load(d), sum);
      bias = bias + load(d);
    }
  }
  store(q.out + out, load(q.out + out) + sum);
  if (q.d_bias) store(q.d_bias + out, load(q.d_bias + out) + bias);
}

template <class T>
void diagonal_gradient(const DiagonalGradient<T>& q) noexcept {
  for (Index panel = q.panel_begin; panel < q.panel_end; ++panel)
    for (int slot = 0; slot < q.slots; ++slot) diagonal_of_slot(q, panel, slot);
}

}  // namespace
}  // namespace pyrnn::kernels
