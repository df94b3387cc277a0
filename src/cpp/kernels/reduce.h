// SPDX-License-Identifier: Apache-2.0
// Sums over whole arrays, in an order fixed by their length.
#pragma once

#include "core/dims.h"
#include "kernels/parts.h"

namespace pyrnn::kernels {
namespace {

constexpr Index kSumBlock = 4096;  // elements summed on their own before they join the total: less rounding

PYRNN_INLINE Vec<double> add_squares(Vec<double> sum, Vec<double> a) { return fma(a, a, sum); }
PYRNN_INLINE Vec<double> add_squares(Vec<double> sum, Vec<float> a) {
  typedef float Half __attribute__((vector_size(kVectorBytes / 2)));
  struct {
    Half low, high;
  } halves;
  static_assert(sizeof(halves) == sizeof(a));
  __builtin_memcpy(&halves, &a, sizeof(a));
  const auto low = __builtin_convertvector(halves.low, Vec<double>);
  const auto high = __builtin_convertvector(halves.high, Vec<double>);
  return fma(high, high, fma(low, low, sum));
}

// In double, where no float32 overflows.
template <class T>
double sum_squares(const T* a, Index count) noexcept {
  double total = 0;
  for (Index begin = 0; begin < count; begin += kSumBlock) {
    Vec<double> sum{};
    for_each_part<T>(smaller(kSumBlock, count - begin), [&](Index i, auto part) __attribute__((always_inline)) {
      sum = add_squares(sum, part.load(a + begin + i));
    });
    total += sum_of_lanes<double>(sum);
  }
  return total;
}

// Whether there is no NaN and no infinity: a - a is 0 for all others.
template <class T>
bool all_finite(const T* a, Index count) noexcept {
  Bits<T> found{};
  for_each_part<T>(count, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> v = part.load(a + i);
    found |= (Bits<T>)(v - v);
  });
  bool finite = true;
  for (int lane = 0; lane < kLanes<T>; ++lane) finite = finite && found[lane] == 0;
  return finite;
}

}  // namespace
}  // namespace pyrnn::kernels
