// SPDX-License-Identifier: Apache-2.0
// Activations of whole arrays, softmax and cross entropy.
#pragma once

#include "kernels/elementwise_kernels.h"
#include "kernels/parts.h"
#include "kernels/vmath.h"

namespace pyrnn::kernels {
namespace {

// Functions of one vector: the value, and dx from y = f(x) and dy.
struct Tanh {
  template <class V>
  static PYRNN_INLINE V value(V a) {
    return vtanh(a);
  }
  template <class V>
  static PYRNN_INLINE V gradient(V h, V dh) {
    return dh * (V{} + 1 - h * h);
  }
};
struct Relu {
  template <class V>
  static PYRNN_INLINE V value(V a) {
    return at_least(V{}, a);
  }
  template <class V>
  static PYRNN_INLINE V gradient(V h, V dh) {
    return h > 0 ? dh : V{};
  }
};
struct Sigmoid {
  template <class V>
  static PYRNN_INLINE V value(V a) {
    return vsigmoid(a);
  }
  template <class V>
  static PYRNN_INLINE V gradient(V y, V dy) {
    return dy * (y * (V{} + 1 - y));
  }
};
struct Identity {
  template <class V>
  static PYRNN_INLINE V value(V a) {
    return a;
  }
  template <class V>
  static PYRNN_INLINE V gradient(V, V dy) {
    return dy;
  }
};
struct Exp {
  template <class V>
  static PYRNN_INLINE V value(V a) {
    return vexp(a);
  }
};
struct Log {
  template <class V>
  static PYRNN_INLINE V value(V a) {
    return vlog(a);
  }
};

template <class Function, class T>
void activation_forward(const Activation<T>& q) noexcept {
  for_each_part<T>(q.count, [&](Index i, auto part) __attribute__((always_inline)) {
    part.store(q.y + i, Function::value(part.load(q.x + i)));
  });
}

template <class Function, class T>
void activation_backward(const ActivationGradient<T>& q) noexcept {
  for_each_part<T>(q.count, [&](Index i, auto part) __attribute__((always_inline)) {
    part.store(q.d_x + i, Function::gradient(part.load(q.y + i), part.load(q.d_y + i)));
  });
}

// Lanes past a row's end count as -inf, whose exp is 0.
template <class T>
constexpr T kMinusInfinity = -static_cast<T>(__builtin_inf());

template <class T>
PYRNN_INLINE T largest_of(const T* x, Index columns) {
  Vec<T> largest = broadcast(kMinusInfinity<T>);
  for_each_part<T>(columns, [&](Index i, auto part) __attribute__((always_inline)) {
    largest = at_least(largest, part.load_or(x + i, kMinusInfinity<T>));
  });
  return largest_lane<T>(largest);
}

// y = exp(x - largest); returns the sum. Without the shift by the row's largest x the exponentials overflow.
template <class T>
PYRNN_INLINE T shifted_exp(const T* x, T largest, Index columns, T* y) {
  const Vec<T> shift = broadcast(largest);
  Vec<T> sum{};
  for_each_part<T>(columns, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> e = vexp(part.load_or(x + i, kMinusInfinity<T>) - shift);
    part.store(y + i, e);
    sum = sum + e;
  });
  return sum_of_lanes<T>(sum);
}

template <class T>
void softmax_forward(const Softmax<T>& q) noexcept {
  const T* x = q.x;
  T* y = q.y;
  for (Index row = 0; row < q.rows; ++row, x += q.columns, y += q.columns) {
    const Vec<T> sum = broadcast(shifted_exp(x, largest_of(x, q.columns), q.columns, y));
    for_each_part<T>(q.columns, [&](Index i, auto part)
                                    __attribute__((always_inline)) { part.store(y + i, part.load(y + i) / sum); });
  }
}

// d_x = y * (d_y - sum of y*d_y)
template <class T>
void softmax_backward(const SoftmaxGradient<T>& q) noexcept {
  for (Index row = 0; row < q.rows; ++row) {
    const T *y = q.y + row * q.columns, *d_y = q.d_y + row * q.columns;
    T* d_x = q.d_x + row * q.columns;
    Vec<T> products{};
    for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
      products = fma(part.load(y + i), part.load(d_y + i), products);
    });
    const Vec<T> sum = broadcast(sum_of_lanes<T>(products));
    for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
      part.store(d_x + i, part.load(y + i) * (part.load(d_y + i) - sum));
    });
  }
}

// The sum over c of spread[c] * (largest - x[c]).
template <class T>
PYRNN_INLINE T spread_below(const T* x, T largest, const T* spread, Index columns) {
  Vec<T> sum{};
  for_each_part<T>(columns, [&](Index i, auto part) __attribute__((always_inline)) {
    sum = fma(part.load(spread + i), broadcast(largest) - part.load_or(x + i, largest), sum);
  });
  return sum_of_lanes<T>(sum);
}

// With e = exp(x - largest): n(c) = log(sum of e) + largest - x[c], d = (scale + spread_sum) * e/sum - scale * onehot -
// spread. No term of the loss is negative, so none cancels another.
template <class T>
PYRNN_INLINE void cross_entropy_row(const CrossEntropy<T>& q, Index row) {
  const T* x = q.logits + row * q.columns;
  T* d = q.d_logits + row * q.columns;
  const T scale = q.scale[row];
  const Index target = q.targets[row];
  const T largest = largest_of(x, q.columns), total = scale + q.spread_sum;
  const T sum = shifted_exp(x, largest, q.columns, d);
  for_each_part<T>(q.columns, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> share = part.load(d + i) / sum * total;
    part.store(d + i, q.spread ? share - part.load(q.spread + i) : share);
  });
  d[target] -= scale;
  const T log_sum = static_cast<T>(__builtin_log(static_cast<double>(sum)));
  q.losses[row] = (log_sum + (largest - x[target])) * scale;
  if (q.spread) q.losses[row] += log_sum * q.spread_sum + spread_below(x, largest, q.spread, q.columns);
}

template <class T>
void cross_entropy(const CrossEntropy<T>& q) noexcept {
  for (Index row = 0; row < q.rows; ++row) {
    if (q.targets[row] >= 0) {
      cross_entropy_row(q, row);
    } else {
      q.losses[row] = T(0);
      for (Index i = 0; i < q.columns; ++i) q.d_logits[row * q.columns + i] = T(0);
    }
  }
}

}  // namespace
}  // namespace pyrnn::kernels
