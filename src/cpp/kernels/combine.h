// SPDX-License-Identifier: Apache-2.0
// Combines one array into another, element by element.
#pragma once

#include "kernels/elementwise_kernels.h"
#include "kernels/parts.h"

namespace pyrnn::kernels {
namespace {

// y = combine(y, x)
template <class T, class F>
PYRNN_INLINE void combine_with(T* y, const T* x, Index count, F&& combine) {
  for_each_part<T>(count, [&](Index i, auto part) __attribute__((always_inline)) {
    part.store(y + i, combine(part.load(y + i), part.load(x + i)));
  });
}

template <class T>
void add_to(T* y, const T* x, Index count) noexcept {
  combine_with(y, x, count, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return a + b; });
}

template <class T>
void multiply_by(T* y, const T* x, Index count) noexcept {
  combine_with(y, x, count, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return a * b; });
}

template <class T>
void average_with(T* y, const T* x, Index count) noexcept {
  const Vec<T> half = broadcast<T>(T(0.5));
  combine_with(y, x, count, [&](Vec<T> a, Vec<T> b) __attribute__((always_inline)) { return (a + b) * half; });
}

}  // namespace
}  // namespace pyrnn::kernels
