// SPDX-License-Identifier: Apache-2.0
// LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; torch's form):
//
//   i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)      g = tanh(W_ig x + b_ig + W_hg h + b_hg)
//   f = sigmoid(W_if x + b_if + W_hf h + b_hf)      o = sigmoid(W_io x + b_io + W_ho h + b_ho)
//   c' = f*c + i*g                                  h' = o*tanh(c')
//
// Its options, as LstmForm selects them:
//
//   peephole  (Gers et al. 2002, Graves 2013): p_i*c and p_f*c inside i and f, p_o*c' inside o
//   coupled   (Greff et al. 2017): f = 1 - i
//   cell_clip (Sak et al. 2014): c' clipped to [-clip, clip]; clipped values pass no gradient
//   layer normalisation (Ba et al. 2016): of W_ih x and of W_hh h, over all gates, and of c' inside the last tanh
//
#pragma once

#include <limits>

#include "kernels/step.h"

namespace pyrnn::kernels {
namespace {

// Of the gate buffer. Coupled gates have no f of their own and take the first three.
struct LstmSlot {
  enum : int { i, g, o, f };
};

// The options as one panel sees them. With Open = false, peephole and clip leave no instruction.
template <class T, bool Coupled, bool Open>
struct LstmForm {
  using V = Vec<T>;
  static constexpr bool coupled = Coupled;
  V p_i{}, p_o{}, p_f{}, clip{};

  PYRNN_INLINE LstmForm(const LstmOptions<T>& q, Index panel) {
    constexpr Index L = kLanes<T>;
    if constexpr (!Open) return;
    clip = broadcast(q.cell_clip > 0 ? q.cell_clip : std::numeric_limits<T>::infinity());
    if (!q.peephole) return;
    const T* weights = q.peephole + panel * (Coupled ? 2 : 3) * L;
    p_i = load(weights);
    p_o = load(weights + L);
    if constexpr (!Coupled) p_f = load(weights + 2 * L);
  }
  PYRNN_INLINE V peep(V a, V weight, V c) const {
    if constexpr (Open)
      return fma(weight, c, a);
    else
      return a;
  }
  PYRNN_INLINE V clipped(V c) const {
    if constexpr (Open)
      return at_least(-clip, at_most(clip, c));
    else
      return c;
  }
  PYRNN_INLINE V unless_clipped(V c, V d_c) const {
    if constexpr (Open)
      return ((c < clip) & (c > -clip)) ? d_c : V{};
    else
      return d_c;
  }
};

// Calls f(type), type::form being the LstmForm for the options that are on.
template <class Form>
struct LstmFormOf {
  using form = Form;
};
template <class T, class F>
PYRNN_INLINE void with_lstm_form(const LstmOptions<T>& q, F&& f) {
  if (q.coupled)
    q.any() ? f(LstmFormOf<LstmForm<T, true, true>>{}) : f(LstmFormOf<LstmForm<T, true, false>>{});
  else
    q.any() ? f(LstmFormOf<LstmForm<T, false, true>>{}) : f(LstmFormOf<LstmForm<T, false, false>>{});
}

// i, g, f and c' of one panel.
template <class Form, class T, class W>
PYRNN_INLINE void lstm_cell(const StepForward<T, W>& s, Index panel) {
  constexpr Index L = kLanes<T>;
  const Form form(s.lstm, panel);
  for (Index row = 0; row < s.rows; ++row) {
    T* gate = s.gates + panel * s.gates_panel + row * 4 * L;
    const Index at = row * s.state_row + panel * L;
    const Vec<T> c_prev = load(s.c_prev + at);
    const Vec<T> i = vsigmoid(form.peep(load(gate + LstmSlot::i * L), form.p_i, c_prev));
    const Vec<T> g = vtanh(load(gate + LstmSlot::g * L));
    Vec<T> f = T(1) - i;
    if constexpr (!Form::coupled) {
      f = vsigmoid(form.peep(load(gate + LstmSlot::f * L), form.p_f, c_prev));
      store(gate + LstmSlot::f * L, f);
    }
    store(gate + LstmSlot::i * L, i);
    store(gate + LstmSlot::g * L, g);
    store(s.c + at, form.clipped(fma(f, c_prev, i * g)));
  }
}

// What the last tanh sees: c', or that as its row's layer normalisation has it.
template <bool Normalised, class T, class Step>
PYRNN_INLINE Vec<T> lstm_seen(const Step& s, Index row, Index unit) {
  const Index at = row * s.state_row + unit;
  if constexpr (Normalised)
    return fma(load(s.cell_norm.normal + at), load(s.cell_norm.gain + unit),
               s.cell_norm.bias ? load(s.cell_norm.bias + unit) : Vec<T>{});
  else
    return load(s.c + at);
}

// o and h' of one panel.
template <class Form, bool Normalised, class T, class W>
PYRNN_INLINE void lstm_output(const StepForward<T, W>& s, Index panel) {
  constexpr Index L = kLanes<T>;
  const Form form(s.lstm, panel);
  for (Index row = 0; row < s.rows; ++row) {
    T* o_slot = s.gates + panel * s.gates_panel + row * 4 * L + LstmSlot::o * L;
    const Index at = row * s.state_row + panel * L;
    const Vec<T> c = load(s.c + at), o = vsigmoid(form.peep(load(o_slot), form.p_o, c));
    store(o_slot, o);
    store(s.h + at, o * vtanh(lstm_seen<Normalised, T>(s, row, panel * L)));
  }
}

// Each row of c' with mean 0 and variance 1.
template <class T, class W>
PYRNN_INLINE void lstm_cell_norm(const StepForward<T, W>& s) {
  for (Index row = 0; row < s.rows; ++row) {
    const T *c = s.c + row * s.state_row, mean = mean_of(c, s.map.units);
    T* normal = s.cell_norm.normal + row * s.state_row;
    const T scale = s.cell_norm.scale[row] = scale_of(variance_of(c, mean, s.map.units), kNormEps<T>);
    for_each_part<T>(s.map.units, [&](Index unit, auto part) __attribute__((always_inline)) {
      part.store(normal + unit, (part.load(c + unit) - mean) * scale);
    });
  }
}

// In two passes over the rows, since {i, f, g, c} and {o, tanh c} are independent chains.
template <class T, class W>
void lstm_forward(const StepForward<T, W>& s) noexcept {
  with_lstm_form(s.lstm, [&](auto type) __attribute__((always_inline)) {
    using Form = typename decltype(type)::form;
    constexpr int slots = Form::coupled ? 3 : 4;
    const bool normalised = s.cell_norm.gain;
    const LeftRows<T, W> h = left_rows(s, s.h_in, s.h_prev_row);
    const auto product = [&](Index panel, Index count) __attribute__((always_inline)) {
      add_recurrent(s, h, s.w_hh, panel, slots * kLanes<T>, LstmSlot::i, slots, count);
    };
    for_each_panel(s, product, [&](Index panel) __attribute__((always_inline)) {
      lstm_cell<Form>(s, panel);
      if (!normalised) lstm_output<Form, false>(s, panel);
    });
    if (!normalised) return;
    lstm_cell_norm(s);
    for_each_panel(s, [&](Index panel) __attribute__((always_inline)) { lstm_output<Form, true>(s, panel); });
  });
}

// Of o, before its sigmoid, and of c' through the last tanh: d_tanh times its slope.
template <class V>
struct LstmOutputGradient {
  V d_o, d_tanh, slope;
};
template <class V>
PYRNN_INLINE LstmOutputGradient<V> lstm_output_gradient(V dh, V o, V tanh_c) {
  const V one = V{} + 1;
  return {.d_o = dh * tanh_c * (o * (one - o)), .d_tanh = dh * o, .slope = one - tanh_c * tanh_c};
}

// With dh and dc the gradients of h' and c', and 1 - s the derivative of a sigmoid s over s:
//
//   do = dh*tanh(c') * o(1-o)     dc += dh*o * (1 - tanh(c')^2) + do*p_o, or 0 where c' was clipped
//   di = dc*g * i(1-i)            df = dc*c * f(1-f)            dg = dc*i * (1-g^2)
//   coupled: di = dc*(g-c) * i(1-i), no df                      dc_prev = dc*f + di*p_i + df*p_f
template <class Form, class T, class W>
PYRNN_INLINE void lstm_cell_gradient(const StepBackward<T, W>& s, Index row, Index unit, Vec<T> d_o, Vec<T> through_h) {
  constexpr Index L = kLanes<T>;
  const Vec<T> one = broadcast(T(1));
  const Form form(s.lstm, unit / L);
  T* gate = s.gates + unit / L * s.gates_panel + row * 4 * L;
  const Index at = row * s.state_row + unit;
  const Vec<T> i = load(gate + LstmSlot::i * L), g = load(gate + LstmSlot::g * L), c_prev = load(s.c_prev + at);
  const Vec<T> f = Form::coupled ? one - i : load(gate + LstmSlot::f * L);
  const Vec<T> dc = form.unless_clipped(load(s.c + at), form.peep(through_h, form.p_o, d_o));
  const Vec<T> d_i = dc * (Form::coupled ? g - c_prev : g) * (i * (one - i));
  const Vec<T> d_f = dc * c_prev * (f * (one - f));
  store(gate + LstmSlot::i * L, d_i);
  store(gate + LstmSlot::g * L, dc * i * (one - g * g));
  store(gate + LstmSlot::o * L, d_o);
  if constexpr (!Form::coupled) store(gate + LstmSlot::f * L, d_f);
  store(s.d_c + at, form.peep(form.peep(dc * f, form.p_i, d_i), form.p_f, d_f));
}

template <bool Normalised, class T, class W>
PYRNN_INLINE LstmOutputGradient<Vec<T>> lstm_output_gradient(const StepBackward<T, W>& s, Index row, Index unit) {
  constexpr Index L = kLanes<T>;
  const Vec<T> o = load(s.gates + unit / L * s.gates_panel + row * 4 * L + LstmSlot::o * L);
  return lstm_output_gradient(gradient_of_h(s, row, unit), o, vtanh(lstm_seen<Normalised, T>(s, row, unit)));
}

// With layer normalisation: do of all units, and dc with what comes through the mean and the scale of its row.
template <class T, class W>
PYRNN_INLINE void lstm_normalised_output_gradient(const StepBackward<T, W>& s) {
  constexpr Index L = kLanes<T>;
  for_each_vector(s, [&](Index row, Index unit) __attribute__((always_inline)) {
    const auto d = lstm_output_gradient<true>(s, row, unit);
    store(s.gates + unit / L * s.gates_panel + row * 4 * L + LstmSlot::o * L, d.d_o);
    store(s.d_seen + row * s.state_row + unit, d.d_tanh * d.slope);
  });
  for (Index row = 0; row < s.rows; ++row) {
    const T* normal = s.cell_norm.normal + row * s.state_row;
    T* d_c = s.d_c + row * s.state_row;
    normal_gradient_of_row<T>(
        s.map.units, s.d_seen + row * s.state_row, s.cell_norm.gain, s.cell_norm.scale[row],
        [&](auto part, Index unit) __attribute__((always_inline)) { return part.load(normal + unit); },
        [&](auto part, Index unit, Vec<T> added)
            __attribute__((always_inline)) { part.store(d_c + unit, part.load(d_c + unit) + added); });
  }
}

template <class T, class W>
void lstm_backward(const StepBackward<T, W>& s) noexcept {
  recurrent_gradient(s, s.next_rows, s.next_d_gates, Start::zero, s.d_h);
  const bool normalised = s.cell_norm.gain;
  if (normalised) lstm_normalised_output_gradient(s);
  with_lstm_form(s.lstm, [&](auto type) __attribute__((always_inline)) {
    using Form = typename decltype(type)::form;
    constexpr Index L = kLanes<T>;
    if (normalised)
      for_each_vector(s, [&](Index row, Index unit) __attribute__((always_inline)) {
        const T* d_o = s.gates + unit / L * s.gates_panel + row * 4 * L + LstmSlot::o * L;
        lstm_cell_gradient<Form>(s, row, unit, load(d_o), load(s.d_c + row * s.state_row + unit));
      });
    else
      for_each_vector(s, [&](Index row, Index unit) __attribute__((always_inline)) {
        const auto d = lstm_output_gradient<false>(s, row, unit);
        const Vec<T> through_h = fma(d.d_tanh, d.slope, load(s.d_c + row * s.state_row + unit));
        lstm_cell_gradient<Form>(s, row, unit, d.d_o, through_h);
      });
  });
  gradients_of_sums(s);
}

}  // namespace
}  // namespace pyrnn::kernels
