// SPDX-License-Identifier: Apache-2.0
// Vanilla RNN (Elman 1990; torch's form): h' = f(W_ih x + b_ih + W_hh h + b_hh); f is tanh, relu, sigmoid or nothing.
#pragma once

#include "kernels/activations.h"
#include "kernels/step.h"

namespace pyrnn::kernels {
namespace {

template <class Activation, class T, class W>
void rnn_forward(const StepForward<T, W>& s) noexcept {
  constexpr Index L = kLanes<T>;
  const LeftRows<T, W> h = left_rows(s, s.h_in, s.h_prev_row);
  const auto product = [&](Index panel, Index count) __attribute__((always_inline)) {
    add_recurrent(s, h, s.w_hh, panel, s.map.block, 0, s.map.width(panel, L), count);
  };
  for_each_panel(s, product, [&](Index panel) __attribute__((always_inline)) {
    const int width = s.map.width(panel, L);
    for (Index row = 0; row < s.rows; ++row)
      for (Index unit = 0; unit < width * L; unit += L)
        store(s.h + row * s.state_row + panel * s.map.block + unit,
              Activation::value(load(s.gates + panel * s.gates_panel + row * 4 * L + unit)));
  });
}

// The derivative comes from the output: 1 - h'^2 for tanh, h' > 0 for relu, h' (1 - h') for sigmoid.
template <class Activation, class T, class W>
void rnn_backward(const StepBackward<T, W>& s) noexcept {
  constexpr Index L = kLanes<T>;
  recurrent_gradient(s, s.next_rows, s.next_d_gates, Start::zero, s.d_h);
  for_each_vector(s, [&](Index row, Index unit) __attribute__((always_inline)) {
    T* gate = s.gates + unit / (4 * L) * s.gates_panel + row * 4 * L + unit % (4 * L);
    store(gate, Activation::gradient(load(s.h + row * s.state_row + unit), gradient_of_h(s, row, unit)));
  });
}

}  // namespace
}  // namespace pyrnn::kernels
