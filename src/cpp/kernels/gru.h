// SPDX-License-Identifier: Apache-2.0
// GRU (Cho et al. 2014) in its two forms:
//
//   r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)      z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
//   reset after:  n = tanh(W_in x + b_in + r*(W_hn h + b_hn))       (torch, cuDNN)
//   reset before: n = tanh(W_in x + b_in + W_hn (r*h) + b_hn)       (the paper)
//   h' = (1-z)*n + z*h
//
// With layer normalisation, W_ih x and W_hh h are normalised over all three gates first (reset after alone).
//
#pragma once

#include "kernels/step.h"

namespace pyrnn::kernels {
namespace {

// Of the gate buffer. W_ih belongs to n, r, z. Reset after: hn holds W_hn h + b_hn, backward dn*r, and W_hh belongs to
// r, z, hn. Reset before: W_hh's part of r and z belongs to these, its part of n to n.
struct GruSlot {
  enum : int { n, r, z, hn };
};

// The gates of one row and vector of units, from the sums in their slots and back into them.
template <class T>
PYRNN_INLINE Vec<T> gru_reset(T* gate) {
  const Vec<T> r = vsigmoid(load(gate + GruSlot::r * kLanes<T>));
  store(gate + GruSlot::r * kLanes<T>, r);
  return r;
}
template <class T>
PYRNN_INLINE Vec<T> gru_update(T* gate) {
  const Vec<T> z = vsigmoid(load(gate + GruSlot::z * kLanes<T>));
  store(gate + GruSlot::z * kLanes<T>, z);
  return z;
}
template <class T>
PYRNN_INLINE Vec<T> gru_candidate(T* gate) {
  const Vec<T> n = vtanh(load(gate + GruSlot::n * kLanes<T>));
  store(gate + GruSlot::n * kLanes<T>, n);
  return n;
}

template <class V>
PYRNN_INLINE V gru_output(V z, V n, V h_prev) {
  return fma(z, h_prev - n, n);
}

template <class V>
struct GruGradient {
  V d_n, d_z, d_h_prev;  // before the activations of n and z; what goes to h past the gates
};
template <class V>
PYRNN_INLINE GruGradient<V> gru_output_gradient(V z, V n, V h_prev, V dh) {
  const V one = V{} + 1;
  const V through_z = dh * z;
  return {.d_n = (dh - through_z) * (one - n * n), .d_z = through_z * (h_prev - n) * (one - z), .d_h_prev = through_z};
}

template <class T, class W>
void gru_forward(const StepForward<T, W>& s) noexcept {
  constexpr Index L = kLanes<T>;
  const LeftRows<T, W> h = left_rows(s, s.h_in, s.h_prev_row);
  const auto product = [&](Index panel, Index count) __attribute__((always_inline)) {
    for (Index p = panel; p < panel + count; ++p) {
      const Vec<T> b_hn = load(s.b_hn + p * L);
      for (Index row = 0; row < s.rows; ++row) store(s.gates + p * s.gates_panel + row * 4 * L + GruSlot::hn * L, b_hn);
    }
    add_recurrent(s, h, s.w_hh, panel, 3 * L, GruSlot::r, 3, count);
  };
  for_each_panel(s, product, [&](Index panel) __attribute__((always_inline)) {
    T* gates = s.gates + panel * s.gates_panel;
    for (Index row = 0; row < s.rows; ++row) {
      T* gate = gates + row * 4 * L;
      T* n = gate + GruSlot::n * L;
      store(n, fma(gru_reset(gate), load(gate + GruSlot::hn * L), load(n)));
    }
    for (Index row = 0; row < s.rows; ++row) {
      T* gate = gates + row * 4 * L;
      const Vec<T> z = gru_update(gate), n = gru_candidate(gate);
      store(s.h + row * s.state_row + panel * L, gru_output(z, n, load(s.h_prev + row * s.h_prev_row + panel * L)));
    }
  });
}

template <class T, class W>
void gru_backward(const StepBackward<T, W>& s) noexcept {
  constexpr Index L = kLanes<T>;
  const Vec<T> one = broadcast(T(1));
  recurrent_gradient(s, s.next_rows, s.next_d_gates, Start::add, s.d_h);
  for_each_vector(s, [&](Index row, Index unit) __attribute__((always_inline)) {
    T* gate = s.gates + unit / L * s.gates_panel + row * 4 * L;
    const Index at = row * s.state_row + unit;
    const Vec<T> n = load(gate + GruSlot::n * L), r = load(gate + GruSlot::r * L), z = load(gate + GruSlot::z * L);
    const Vec<T> w_hn_h = load(gate + GruSlot::hn * L);
    const auto d = gru_output_gradient(z, n, load(s.h_prev + at), gradient_of_h(s, row, unit));
    const Vec<T> through_r = d.d_n * r;
    store(gate + GruSlot::n * L, d.d_n);
    store(gate + GruSlot::r * L, through_r * w_hn_h * (one - r));
    store(gate + GruSlot::z * L, d.d_z);
    store(gate + GruSlot::hn * L, through_r);
    store(s.d_h + at, d.d_h_prev);
  });
  gradients_of_sums(s);
}

// Reset before, first half of a step: r, z and r*h of all units, which the candidate's product needs.
template <class T, class W>
void gru_before_reset(const StepForward<T, W>& s) noexcept {
  constexpr Index L = kLanes<T>;
  const LeftRows<T, W> h = left_rows(s, s.h_in, s.h_prev_row);
  const auto product = [&](Index panel, Index count) __attribute__((always_inline)) {
    add_recurrent(s, h, s.w_hh, panel, 2 * L, GruSlot::r, 2, count);
  };
  for_each_panel(s, product, [&](Index panel) __attribute__((always_inline)) {
    for (Index row = 0; row < s.rows; ++row) {
      T* gate = s.gates + panel * s.gates_panel + row * 4 * L;
      gru_update(gate);
      store(s.rh + row * s.state_row + panel * L, gru_reset(gate) * load(s.h_in + row * s.h_prev_row + panel * L));
    }
  });
}

template <class T, class W>
void gru_before_candidate(const StepForward<T, W>& s) noexcept {
  constexpr Index L = kLanes<T>;
  const LeftRows<T, W> rh = left_rows(s, s.rh, s.state_row);
  const auto product = [&](Index panel, Index count) __attribute__((always_inline)) {
    add_recurrent(s, rh, s.w_hn, panel, L, GruSlot::n, 1, count);
  };
  for_each_panel(s, product, [&](Index panel) __attribute__((always_inline)) {
    for (Index row = 0; row < s.rows; ++row) {
      T* gate = s.gates + panel * s.gates_panel + row * 4 * L;
      const Vec<T> n = gru_candidate(gate), z = load(gate + GruSlot::z * L);
      store(s.h + row * s.state_row + panel * L, gru_output(z, n, load(s.h_prev + row * s.h_prev_row + panel * L)));
    }
  });
}

// Reset before, backward: first dn and dz of all units ...
template <class T, class W>
void gru_before_backward_candidate(const StepBackward<T, W>& s) noexcept {
  constexpr Index L = kLanes<T>;
  recurrent_gradient(s, s.next_rows, s.next_d_gates, Start::add, s.d_h);
  for_each_vector(s, [&](Index row, Index unit) __attribute__((always_inline)) {
    T* gate = s.gates + unit / L * s.gates_panel + row * 4 * L;
    const Index at = row * s.state_row + unit;
    const Vec<T> n = load(gate + GruSlot::n * L), z = load(gate + GruSlot::z * L);
    const auto d = gru_output_gradient(z, n, load(s.h_prev + at), gradient_of_h(s, row, unit));
    store(gate + GruSlot::n * L, d.d_n);
    store(gate + GruSlot::z * L, d.d_z);
    store(s.d_h + at, d.d_h_prev);
  });
}

// ... then, through d(r*h) = dn * W_hn, dr and the rest of dh.
template <class T, class W>
void gru_before_backward_reset(const StepBackward<T, W>& s) noexcept {
  constexpr Index L = kLanes<T>;
  const Vec<T> one = broadcast(T(1));
  candidate_gradient(s);
  for_each_vector(s, [&](Index row, Index unit) __attribute__((always_inline)) {
    T* gate = s.gates + unit / L * s.gates_panel + row * 4 * L;
    const Index at = row * s.state_row + unit;
    const Vec<T> r = load(gate + GruSlot::r * L), through_r = load(s.d_rh + at) * r;
    store(gate + GruSlot::r * L, through_r * load(s.h_in + at) * (one - r));
    store(s.d_h + at, load(s.d_h + at) + (s.h_in_scale ? through_r * load(s.h_in_scale + at) : through_r));
  });
}

}  // namespace
}  // namespace pyrnn::kernels
