// SPDX-License-Identifier: Apache-2.0
// Code that the steps of all chains of states share.
#pragma once

#include "kernels/activations.h"
#include "kernels/structured_kernels.h"

namespace pyrnn::kernels {
namespace {

// A maximum to take off before exp: where everything is -inf, 0, or the difference would be NaN.
template <class T>
PYRNN_INLINE Vec<T> finite_shift(Vec<T> most) {
  return most == kMinusInfinity<T> ? Vec<T>{} : most;
}

// Takes the largest off all values, [states] padded with -inf, and returns it; 0 if that is -inf.
template <class T>
PYRNN_INLINE T take_largest_off(T* values, Index states, Vec<T> largest_of_lanes) {
  const T largest = largest_lane<T>(largest_of_lanes);
  const T off = largest == kMinusInfinity<T> ? T(0) : largest;
  for (Index s = 0; s < states; s += kLanes<T>) store<T>(values + s, load(values + s) - off);
  return off;
}

// Each state's posterior over the sum that its predecessors share; a sum of 0 has no predecessors.
template <class T>
PYRNN_INLINE void share_of_predecessors(const T* posterior, const T* sum, Index states, T* share) {
  for (Index s = 0; s < states; s += kLanes<T>) {
    const Vec<T> total = load(sum + s);
    store<T>(share + s, load(posterior + s) / (total == 0 ? broadcast<T>(1) : total));
  }
}

template <class T>
LogSum<T> scaled_softmax(const ScaledSoftmax<T>& q) noexcept {
  const T largest = largest_of(q.x, q.columns), sum = shifted_exp(q.x, largest, q.columns, q.y);
  const Vec<T> factor = broadcast(q.scale) / sum;
  for_each_part<T>(q.columns, [&](Index i, auto part)
                                  __attribute__((always_inline)) { part.store(q.y + i, part.load(q.y + i) * factor); });
  return {largest, vlog(broadcast(sum))[0]};
}

}  // namespace
}  // namespace pyrnn::kernels
