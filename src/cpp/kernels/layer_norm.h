// SPDX-License-Identifier: Apache-2.0
// Layer normalisation (Ba et al. 2016) of rows.
#pragma once

#include "kernels/elementwise_kernels.h"
#include "kernels/parts.h"
#include "kernels/vmath.h"

namespace pyrnn::kernels {
namespace {

template <class T>
PYRNN_INLINE T mean_of(const T* x, Index columns) {
  Vec<T> sum{};
  for_each_part<T>(columns, [&](Index i, auto part) __attribute__((always_inline)) { sum = sum + part.load(x + i); });
  return sum_of_lanes<T>(sum) / static_cast<T>(columns);
}

// About the mean, which is known: no cancellation between two large sums.
template <class T>
PYRNN_INLINE T variance_of(const T* x, T mean, Index columns) {
  Vec<T> sum{};
  for_each_part<T>(columns, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> away = part.load_or(x + i, mean) - mean;
    sum = fma(away, away, sum);
  });
  return sum_of_lanes<T>(sum) / static_cast<T>(columns);
}

// A vector of the weights or the bias; where there is none, `otherwise`.
template <class T, class Part>
PYRNN_INLINE Vec<T> given_or(Part part, const T* values, Index i, T otherwise) {
  return values ? part.load(values + i) : broadcast(otherwise);
}

template <class T>
void layer_norm_forward(const LayerNorm<T>& q) noexcept {
  for (Index row = 0; row < q.rows; ++row) {
    const T* x = q.x + row * q.columns;
    T* y = q.y + row * q.columns;
    const T mean = mean_of(x, q.columns), variance = variance_of(x, mean, q.columns);
    const T scale = T(1) / vsqrt(broadcast<T>(variance + q.eps))[0];
    q.mean[row] = mean;
    q.scale[row] = scale;
    for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
      const Vec<T> normal = (part.load(x + i) - mean) * scale;
      part.store(y + i, fma(normal, given_or<T>(part, q.weight, i, 1), given_or<T>(part, q.bias, i, 0)));
    });
  }
}

// With g = d_y * weight and n = (x - mean) * scale: d_x = scale * (g - mean of g - n * mean of g*n)
template <class T>
void layer_norm_backward(const LayerNormGradient<T>& q) noexcept {
  for (Index row = 0; row < q.rows; ++row) {
    const T *x = q.x + row * q.columns, *d_y = q.d_y + row * q.columns;
    T* d_x = q.d_x + row * q.columns;
    const T mean = q.mean[row], scale = q.scale[row], count = static_cast<T>(q.columns);
    Vec<T> sum{}, sum_normal{};
    for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
      const Vec<T> g = part.load(d_y + i) * given_or<T>(part, q.weight, i, 1);
      sum = sum + g;
      sum_normal = fma(g, (part.load_or(x + i, mean) - mean) * scale, sum_normal);
    });
    const Vec<T> mean_g = broadcast<T>(sum_of_lanes<T>(sum) / count);
    const Vec<T> mean_normal = broadcast<T>(sum_of_lanes<T>(sum_normal) / count);
    for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
      const Vec<T> g = part.load(d_y + i) * given_or<T>(part, q.weight, i, 1);
      const Vec<T> normal = (part.load(x + i) - mean) * scale;
      part.store(d_x + i, fma(-normal, mean_normal, g - mean_g) * scale);
    });
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
