// SPDX-License-Identifier: Apache-2.0
// Layer normalisation (Ba et al. 2016) of rows, and of the sums and states inside the cells.
#pragma once

#include "kernels/elementwise_kernels.h"
#include "kernels/parts.h"
#include "kernels/vmath.h"

namespace pyrnn::kernels {
namespace {

constexpr Index kNormBlock = 1024;  // elements summed on their own before they join the total: less rounding

// The sum over blocks of what add(sum, i, part) makes of each block's sum.
template <class T, class Add>
PYRNN_INLINE T sum_of_blocks(Index columns, Add&& add) {
  Vec<T> total{};
  for (Index begin = 0; begin < columns; begin += kNormBlock) {
    Vec<T> sum{};
    for_each_part<T>(smaller(kNormBlock, columns - begin),
                     [&](Index i, auto part) __attribute__((always_inline)) { sum = add(sum, begin + i, part); });
    total = total + sum;
  }
  return sum_of_lanes<T>(total);
}

template <class T>
PYRNN_INLINE T mean_of(const T* x, Index columns) {
  const auto add = [&](Vec<T> sum, Index i, auto part)
                       __attribute__((always_inline)) { return sum + part.load(x + i); };
  return sum_of_blocks<T>(columns, add) / static_cast<T>(columns);
}

// About the mean, which is known: no cancellation between two large sums.
template <class T>
PYRNN_INLINE T variance_of(const T* x, T mean, Index columns) {
  const auto add = [&](Vec<T> sum, Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> away = part.load_or(x + i, mean) - mean;
    return fma(away, away, sum);
  };
  return sum_of_blocks<T>(columns, add) / static_cast<T>(columns);
}

// A vector of the weights or the bias; where there is none, `otherwise`.
template <class T, class Part>
PYRNN_INLINE Vec<T> given_or(Part part, const T* values, Index i, T otherwise) {
  return values ? part.load(values + i) : broadcast(otherwise);
}

template <class T>
PYRNN_INLINE T scale_of(T variance, T eps) {
  return T(1) / vsqrt(broadcast<T>(variance + eps))[0];
}

// With g = d_y * weight and n = (x - mean) * scale: d_x = scale * (g - mean of g - n * mean of g*n)
template <class T>
struct NormalGradient {
  Vec<T> mean_g, mean_normal;
  PYRNN_INLINE NormalGradient(Vec<T> sum_g, Vec<T> sum_normal, Index count)
      : mean_g(broadcast<T>(sum_of_lanes<T>(sum_g) / static_cast<T>(count))),
        mean_normal(broadcast<T>(sum_of_lanes<T>(sum_normal) / static_cast<T>(count))) {}
  PYRNN_INLINE Vec<T> d_x(Vec<T> g, Vec<T> normal, T scale) const {
    return fma(-normal, mean_normal, g - mean_g) * scale;
  }
};

// The mean of what is left about a first mean corrects it: beside a large offset the sum of x is off by many times what
// rounding the mean costs.
template <class T>
PYRNN_INLINE T corrected_mean_of(const T* x, Index columns) {
  const T first = mean_of(x, columns);
  const auto add = [&](Vec<T> sum, Index i, auto part)
                       __attribute__((always_inline)) { return sum + (part.load_or(x + i, first) - first); };
  return first + sum_of_blocks<T>(columns, add) / static_cast<T>(columns);
}

template <class T>
void layer_norm_forward(const LayerNorm<T>& q) noexcept {
  for (Index row = 0; row < q.rows; ++row) {
    const T* x = q.x + row * q.columns;
    T* y = q.y + row * q.columns;
    const T mean = corrected_mean_of(x, q.columns), variance = variance_of(x, mean, q.columns);
    const T scale = scale_of(variance, q.eps);
    q.mean[row] = mean;
    q.scale[row] = scale;
    for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
      const Vec<T> normal = (part.load(x + i) - mean) * scale;
      part.store(y + i, fma(normal, given_or<T>(part, q.weight, i, 1), given_or<T>(part, q.bias, i, 0)));
    });
  }
}

// Calls f(part, i, d_x of the vector) for each vector of one row; normal(part, i) is its n.
template <class T, class Normal, class F>
PYRNN_INLINE void normal_gradient_of_row(Index columns, const T* d_y, const T* weight, T scale, Normal&& normal,
                                         F&& f) {
  Vec<T> sum{}, sum_normal{};
  for_each_part<T>(columns, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> g = part.load(d_y + i) * given_or<T>(part, weight, i, 1);
    sum = sum + g;
    sum_normal = fma(g, normal(part, i), sum_normal);
  });
  const NormalGradient<T> gradient(sum, sum_normal, columns);
  for_each_part<T>(columns, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> g = part.load(d_y + i) * given_or<T>(part, weight, i, 1);
    f(part, i, gradient.d_x(g, normal(part, i), scale));
  });
}

template <class T>
void layer_norm_backward(const LayerNormGradient<T>& q) noexcept {
  for (Index row = 0; row < q.rows; ++row) {
    const T *x = q.x + row * q.columns, mean = q.mean[row], scale = q.scale[row];
    T* to = q.d_x + row * q.columns;
    normal_gradient_of_row<T>(
        q.columns, q.d_y + row * q.columns, q.weight, scale,
        [&](auto part, Index i)
            __attribute__((always_inline)) -> Vec<T> { return (part.load_or(x + i, mean) - mean) * scale; },
        [&](auto part, Index i, Vec<T> d_x) __attribute__((always_inline)) { part.store(to + i, d_x); });
  }
}

// d_weight += sum over rows of d_y * (x - mean) * scale, d_bias += sum over rows of d_y, row after row
template <class T>
void layer_norm_weight_gradient(const LayerNormWeightGradient<T>& q) noexcept {
  for (Index row = 0; row < q.rows; ++row) {
    const T *x = q.x + row * q.columns, *d_y = q.d_y + row * q.columns;
    const T mean = q.mean[row], scale = q.scale[row];
    for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
      const Vec<T> dy = part.load(d_y + i), normal = (part.load(x + i) - mean) * scale;
      part.store(q.d_weight + i, fma(dy, normal, part.load(q.d_weight + i)));
      part.store(q.d_bias + i, part.load(q.d_bias + i) + dy);
    });
  }
}

}  // namespace
}  // namespace pyrnn::kernels
