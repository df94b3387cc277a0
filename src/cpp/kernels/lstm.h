// SPDX-License-Identifier: Apache-2.0
// LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; torch's form):
//
//   i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)      g = tanh(W_ig x + b_ig + W_hg h + b_hg)
//   f = sigmoid(W_if x + b_if + W_hf h + b_hf)      o = sigmoid(W_io x + b_io + W_ho h + b_ho)
//   c' = f*c + i*g                                  h' = o*tanh(c')
#pragma once

#include "kernels/step.h"

namespace pyrnn::kernels {
namespace {

// In two passes over the rows, since {i, f, g, c} and {o, tanh c} are independent chains.
template <class T>
void lstm_forward(const StepForward<T>& s) noexcept {
  constexpr Index L = kLanes<T>;
  for_each_panel(s, [&](Index panel) __attribute__((always_inline)) {
    add_recurrent(s, s.h_prev, s.w_hh, panel, 4 * L, 0, 4);
    T* gates = s.gates + panel * s.gates_panel;
    for (Index row = 0; row < s.rows; ++row) {
      T* gate = gates + row * 4 * L;
      const Index at = row * s.state_row + panel * L;
      const Vec<T> i = vsigmoid(load(gate)), f = vsigmoid(load(gate + L)), g = vtanh(load(gate + 2 * L));
      store(gate, i);
      store(gate + L, f);
      store(gate + 2 * L, g);
      store(s.c + at, fma(f, load(s.c_prev + at), i * g));
    }
    for (Index row = 0; row < s.rows; ++row) {
      T* gate = gates + row * 4 * L;
      const Index at = row * s.state_row + panel * L;
      const Vec<T> o = vsigmoid(load(gate + 3 * L));
      store(gate + 3 * L, o);
      store(s.h + at, o * vtanh(load(s.c + at)));
    }
  });
}

// With dh and dc the gradients of h' and c', and 1 - s the derivative of a sigmoid s over s:
//
//   do = dh*tanh(c') * o(1-o)     dc += dh*o * (1 - tanh(c')^2)
//   di = dc*g * i(1-i)            df = dc*c * f(1-f)            dg = dc*i * (1-g^2)            dc_prev = dc*f
template <class T>
void lstm_backward(const StepBackward<T>& s) noexcept {
  constexpr Index L = kLanes<T>;
  const Vec<T> one = broadcast(T(1));
  recurrent_gradient(s, s.next_rows, s.next_d_gates, Start::zero, s.d_h);
  for_each_vector(s, [&](Index row, Index unit) __attribute__((always_inline)) {
    T* gate = s.gates + unit / L * s.gates_panel + row * 4 * L;
    const Index at = row * s.state_row + unit;
    const Vec<T> i = load(gate), f = load(gate + L), g = load(gate + 2 * L), o = load(gate + 3 * L);
    const Vec<T> dh = gradient_of_h(s, row, unit), tanh_c = vtanh(load(s.c + at));
    const Vec<T> dc = fma(dh * o, one - tanh_c * tanh_c, load(s.d_c + at));
    store(gate, dc * g * (i * (one - i)));
    store(gate + L, dc * load(s.c_prev + at) * (f * (one - f)));
    store(gate + 2 * L, dc * i * (one - g * g));
    store(gate + 3 * L, dh * tanh_c * (o * (one - o)));
    store(s.d_c + at, dc * f);
  });
}

}  // namespace
}  // namespace pyrnn::kernels
