// SPDX-License-Identifier: Apache-2.0
// Sums and largest values over time, step after step: the same bits in any layout and any batch.
#pragma once

#include "kernels/elementwise_kernels.h"
#include "kernels/parts.h"

namespace pyrnn::kernels {
namespace {

template <class T>
void time_sum(const TimePool<T>& q) noexcept {
  for (Index i = 0; i < q.columns; ++i) q.y[i] = T(0);
  for (Index t = 0; t < q.steps; ++t) {
    const T* x = q.x + t * q.stride;
    for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
      part.store(q.y + i, part.load(q.y + i) + part.load(x + i));
    });
  }
}

// Knuth, The Art of Computer Programming, volume 2, 4.2.2: the error of a sum, exactly.
template <class T>
void add_compensated(const CompensatedSum<T>& q) noexcept {
  for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> a = part.load(q.total + i), b = part.load(q.x + i), sum = a + b, of_b = sum - a;
    part.store(q.total + i, sum);
    part.store(q.lost + i, part.load(q.lost + i) + ((a - (sum - of_b)) + (b - of_b)));
  });
}

// The step numbers pass through the floats' loads and stores as bits.
template <class T>
void time_max(const TimePool<T>& q) noexcept {
  T* largest = reinterpret_cast<T*>(q.largest);
  for (Index i = 0; q.first == 0 && i < q.columns; ++i) {
    q.y[i] = q.steps ? q.x[i] : T(0);
    q.largest[i] = 0;
  }
  for (Index t = larger(1, q.first); t < q.steps; ++t) {
    const T* x = q.x + t * q.stride;
    const Bits<T> number = static_cast<Bit<T>>(t) - Bits<T>{};
    for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
      const Vec<T> now = part.load(x + i), best = part.load(q.y + i);
      const Bits<T> taken = (now > best) | ((now != now) & (best == best));
      const Bits<T> before = (Bits<T>)part.load(largest + i);
      part.store(q.y + i, taken ? now : best);
      part.store(largest + i, (Vec<T>)(taken ? number : before));
    });
  }
}

}  // namespace
}  // namespace pyrnn::kernels
