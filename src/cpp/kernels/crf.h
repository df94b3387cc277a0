// SPDX-License-Identifier: Apache-2.0
// A step of a linear chain in which every state may follow every other: forward, backward, and the best path.
//
// The step works in log space. The path may continue only from a state whose weight is far below the largest, and
// products of exponentials would have lost that state. Vectors run over the states that a step leads to, or in the
// backward step over those that it comes from, so that no sum crosses lanes.
#pragma once

#include "kernels/chain.h"

namespace pyrnn::kernels {
namespace {

// A vector of emissions, whose row is not padded.
template <class T>
PYRNN_INLINE Vec<T> emissions_at(const T* emissions, Index s, Index states) {
  if (!emissions) return Vec<T>{};
  const Index left = states - s;
  return left >= kLanes<T> ? load(emissions + s) : load_first(emissions + s, static_cast<int>(left));
}

template <class T>
T crf_forward(const CrfForward<T>& q) noexcept {
  const Index width = round_up(q.to, kLanes<T>);
  Vec<T> largest = broadcast(kMinusInfinity<T>);
  for (Index s = 0; s < width; s += kLanes<T>) {
    const T* column = q.transitions + s;
    Vec<T> most = broadcast(kMinusInfinity<T>);
    for (Index i = 0; i < q.from; ++i) most = at_least(most, load(column + i * width) + q.before[i]);
    const Vec<T> shift = finite_shift<T>(most);
    Vec<T> sum{};
    for (Index i = 0; i < q.from; ++i) sum = sum + vexp(load(column + i * width) + q.before[i] - shift);
    const Vec<T> alpha = vlog(sum) + shift + emissions_at(q.emissions, s, q.to);
    store<T>(q.shift + s, shift);
    store<T>(q.sum + s, sum);
    store<T>(q.alpha + s, alpha);
    largest = at_least(largest, alpha);
  }
  return take_largest_off<T>(q.alpha, q.to, largest);
}

template <class T>
void crf_backward(const CrfBackward<T>& q) noexcept {
  const Index width = round_up(q.from, kLanes<T>);
  share_of_predecessors(q.posterior, q.sum, q.to, q.share);
  for (Index i = 0; i < width; i += kLanes<T>) {
    const Vec<T> before = load(q.before + i);
    Vec<T> posterior{};
    for (Index s = 0; s < q.to; ++s) {
      const Index at = s * width + i;
      const Vec<T> pair = vexp(load(q.transitions + at) + before - q.shift[s]) * q.share[s];
      store<T>(q.d_transitions + at, load(q.d_transitions + at) + pair);
      posterior = posterior + pair;
    }
    store<T>(q.posterior_before + i, posterior);
  }
}

template <class T>
T viterbi_step(const ViterbiStep<T>& q) noexcept {
  const Index width = round_up(q.to, kLanes<T>);
  Vec<T> largest = broadcast(kMinusInfinity<T>);
  for (Index s = 0; s < width; s += kLanes<T>) {
    const T* column = q.transitions + s;
    Vec<T> most = load(column) + q.before[0];
    Bits<T> best{};
    for (Index i = 1; i < q.from; ++i) {
      const Vec<T> score = load(column + i * width) + q.before[i];
      const Bits<T> better = (score > most) | ((score != score) & (most == most));  // a NaN is the best, and stays
      most = better ? score : most;
      best = better ? static_cast<Bit<T>>(i) - Bits<T>{} : best;
    }
    const Vec<T> score = most + emissions_at(q.emissions, s, q.to);
    store<T>(q.score + s, score);
    store<T>(reinterpret_cast<T*>(q.best + s), (Vec<T>)best);
    largest = at_least(largest, score);
  }
  return take_largest_off<T>(q.score, q.to, largest);
}

}  // namespace
}  // namespace pyrnn::kernels
