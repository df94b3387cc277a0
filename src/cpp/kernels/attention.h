// SPDX-License-Identifier: Apache-2.0
// Attention of one query over the keys and values of one sequence (structs in elementwise_kernels.h):
//
//   e_s = v . tanh(q + k_s)  (additive: Bahdanau et al. 2015)     or     e_s = scale * q . k_s  (Luong et al. 2015)
//   w = softmax(e)                                                       context = sum over s of w_s * value_s
//
// With dropout, context = sum over s of m_s * w_s * value_s, with m_s = 0 or 1 / (1 - p) of the same mask in both
// passes.
#pragma once

#include "kernels/activations.h"
#include "kernels/dropout.h"

namespace pyrnn::kernels {
namespace {

template <class T>
PYRNN_INLINE T score_of(const Attention<T>& q, const T* key) {
  Vec<T> sum{};
  for_each_part<T>(q.key_size, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> query = part.load(q.query + i), k = part.load(key + i);
    sum = q.v ? fma(part.load(q.v + i), vtanh(query + k), sum) : fma(query, k, sum);
  });
  return sum_of_lanes<T>(sum) * q.scale;
}

// What the values are summed with.
template <class T>
PYRNN_INLINE const T* dropped_weights(const Attention<T>& q) {
  if (!q.dropout.y) return q.weights;
  dropout_row(q.dropout);
  return q.dropout.y;
}

template <class T>
void attention_forward(const Attention<T>& q) noexcept {
  for (Index i = 0; i < q.value_size; ++i) q.context[i] = T(0);
  if (q.length == 0) return;
  for (Index s = 0; s < q.length; ++s) q.weights[s] = score_of(q, q.keys + s * q.key_step);
  softmax_forward(Softmax<T>{.rows = 1, .columns = q.length, .x = q.weights, .y = q.weights});
  const T* weights = dropped_weights(q);
  for (Index s = 0; s < q.length; ++s) {
    const Vec<T> w = broadcast(weights[s]);
    const T* value = q.values + s * q.value_step;
    for_each_part<T>(q.value_size, [&](Index i, auto part) __attribute__((always_inline)) {
      part.store(q.context + i, fma(w, part.load(value + i), part.load(q.context + i)));
    });
  }
}

// d_values_s += w_s * d_context; returns d_w_s = d_context . value_s, with the dropped w
template <class T>
PYRNN_INLINE T value_gradient(const AttentionGradient<T>& g, Index s, T weight) {
  const Attention<T>& q = g.forward;
  const T* value = q.values + s * q.value_step;
  T* d_value = g.d_values + s * q.value_step;
  const Vec<T> w = broadcast(weight);
  Vec<T> sum{};
  for_each_part<T>(q.value_size, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> d_context = part.load(g.d_context + i);
    sum = fma(d_context, part.load(value + i), sum);
    part.store(d_value + i, fma(w, d_context, part.load(d_value + i)));
  });
  return sum_of_lanes<T>(sum);
}

// With d the gradient of e_s and u = tanh(q + k_s): d_v += d*u; d_q and d_k_s += d*v*(1 - u^2), or scale*d*k_s and
// scale*d*q.
template <class T>
PYRNN_INLINE void key_gradient(const AttentionGradient<T>& g, Index s, T d_score) {
  const Attention<T>& q = g.forward;
  const T* key = q.keys + s * q.key_step;
  T* d_key = g.d_keys + s * q.key_step;
  const Vec<T> d = broadcast(d_score);
  for_each_part<T>(q.key_size, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> query = part.load(q.query + i), k = part.load(key + i);
    Vec<T> d_query = d * k, d_k = d * query;
    if (q.v) {
      const Vec<T> u = vtanh(query + k);
      d_query = d_k = d * part.load(q.v + i) * (broadcast(T(1)) - u * u);
      part.store(g.d_v + i, fma(d, u, part.load(g.d_v + i)));
    }
    part.store(d_key + i, part.load(d_key + i) + d_k);
    part.store(g.d_query + i, part.load(g.d_query + i) + d_query);
  });
}

template <class T>
void attention_backward(const AttentionGradient<T>& g) noexcept {
  const Attention<T>& q = g.forward;
  for (Index i = 0; i < q.key_size; ++i) g.d_query[i] = T(0);
  if (q.length == 0) return;
  const T* weights = dropped_weights(q);
  for (Index s = 0; s < q.length; ++s) {
    const T d_w = value_gradient(g, s, weights[s]);
    g.d_scores[s] = g.d_weights ? d_w + g.d_weights[s] : d_w;
  }
  if (q.dropout.y) {
    DropoutRow<T> back = q.dropout;
    back.x = back.y = g.d_scores;
    dropout_row(back);
  }
  softmax_backward(
      SoftmaxGradient<T>{.rows = 1, .columns = q.length, .y = q.weights, .d_y = g.d_scores, .d_x = g.d_scores});
  for (Index s = 0; s < q.length; ++s) key_gradient(g, s, g.d_scores[s] * q.scale);
}

}  // namespace
}  // namespace pyrnn::kernels
