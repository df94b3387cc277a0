// SPDX-License-Identifier: Apache-2.0
// A range of elements as whole vectors and a masked remainder, and reductions of a vector in one fixed order.
#pragma once

#include "core/dims.h"
#include "kernels/vec.h"

namespace pyrnn::kernels {
namespace {

// How a loop's body reads and writes one vector; load_or fills the lanes past the end with its second argument.
template <class T>
struct Whole {
  PYRNN_INLINE Vec<T> load(const T* p) const { return kernels::load(p); }
  PYRNN_INLINE Vec<T> load_or(const T* p, T) const { return kernels::load(p); }
  PYRNN_INLINE void store(T* p, Vec<T> v) const { kernels::store(p, v); }
};

template <class T>
PYRNN_INLINE Bits<T> lane_numbers() {
  Bits<T> numbers{};
  for (int i = 0; i < kLanes<T>; ++i) numbers[i] = i;
  return numbers;
}

template <class T>
struct First {
  int lanes;
  PYRNN_INLINE Vec<T> load(const T* p) const { return load_first(p, lanes); }
  PYRNN_INLINE Vec<T> load_or(const T* p, T other) const {
    return lane_numbers<T>() < Bit<T>(lanes) ? load(p) : broadcast<T>(other);
  }
  PYRNN_INLINE void store(T* p, Vec<T> v) const { store_first(p, v, lanes); }
};

// Calls f(first element, part) for each vector of the range; part is Whole or, at the end, First.
template <class T, class F>
PYRNN_INLINE void for_each_part(Index count, F&& f) {
  Index i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) f(i, Whole<T>{});
  if (i < count) f(i, First<T>{static_cast<int>(count - i)});
}

// Folds the upper half of the lanes onto the lower until one is left.
template <class T, class F>
PYRNN_INLINE T fold(Vec<T> v, F&& f) {
  alignas(kVectorBytes) T lanes[kLanes<T>];
  store(lanes, v);
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] = f(lanes[i], lanes[i + half]);
  return lanes[0];
}
template <class T>
PYRNN_INLINE T sum_of_lanes(Vec<T> v) {
  return fold<T>(v, [](T a, T b) { return a + b; });
}
template <class T>
PYRNN_INLINE T largest_lane(Vec<T> v) {
  return fold<T>(v, [](T a, T b) { return a < b ? b : a; });
}

}  // namespace
}  // namespace pyrnn::kernels
