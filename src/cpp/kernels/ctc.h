// SPDX-License-Identifier: Apache-2.0
// A step of the chain of connectionist temporal classification: blank, label, blank, label, ..., blank.
#pragma once

#include "kernels/chain.h"

namespace pyrnn::kernels {
namespace {

template <class T>
T ctc_forward(const CtcForward<T>& q) noexcept {
  Vec<T> largest = broadcast(kMinusInfinity<T>);
  for (Index s = 0; s < q.states; s += kLanes<T>) {
    const Vec<T> stay = load(q.before + s), next = load(q.before + s - 1);
    const Vec<T> skip = load(q.before + s - 2) + load(q.skip + s);
    const Vec<T> shift = finite_shift<T>(at_least(at_least(stay, next), skip));
    const Vec<T> sum = vexp(stay - shift) + vexp(next - shift) + vexp(skip - shift);
    const Vec<T> alpha = vlog(sum) + shift + load(q.emissions + s);
    store<T>(q.shift + s, shift);
    store<T>(q.sum + s, sum);
    store<T>(q.alpha + s, alpha);
    largest = at_least(largest, alpha);
  }
  return take_largest_off<T>(q.alpha, q.states, largest);
}

template <class T>
void ctc_backward(const CtcBackward<T>& q) noexcept {
  share_of_predecessors(q.posterior, q.sum, q.states, q.share);
  for (Index s = 0; s < q.states; s += kLanes<T>) {
    const Vec<T> before = load(q.before + s);
    const Vec<T> stay = vexp(before - load(q.shift + s)) * load(q.share + s);
    const Vec<T> next = vexp(before - load(q.shift + s + 1)) * load(q.share + s + 1);
    const Vec<T> skip = vexp(before + load(q.skip + s + 2) - load(q.shift + s + 2)) * load(q.share + s + 2);
    store<T>(q.posterior_before + s, stay + next + skip);
  }
}

}  // namespace
}  // namespace pyrnn::kernels
