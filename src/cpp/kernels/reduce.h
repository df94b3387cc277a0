// SPDX-License-Identifier: Apache-2.0
// Sums over whole arrays, in an order fixed by their length.
#pragma once

#include "kernels/elementwise_kernels.h"
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

constexpr Index kRowBlock = 256;  // elements of a row summed on their own

// The sums of a row's blocks are added in double, with what each addition rounds off (Knuth, The Art of Computer
// Programming, volume 2, 4.2.2): the error does not grow with the number of columns.
template <class T>
void row_sums(const RowSums<T>& q) noexcept {
  for (Index row = 0; row < q.rows; ++row) {
    const T* x = q.x + row * q.columns;
    double total = 0, lost = 0;
    for (Index begin = 0; begin < q.columns; begin += kRowBlock) {
      Vec<T> block{};
      for_each_part<T>(smaller(kRowBlock, q.columns - begin), [&](Index i, auto part) __attribute__((always_inline)) {
        block = block + part.load(x + begin + i);
      });
      const double b = static_cast<double>(sum_of_lanes<T>(block)), sum = total + b, of_b = sum - total;
      lost += (total - (sum - of_b)) + (b - of_b);
      total = sum;
    }
    q.y[row] = static_cast<T>(lost - lost == 0 ? total + lost : total);  // not finite: neither is the total
  }
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
