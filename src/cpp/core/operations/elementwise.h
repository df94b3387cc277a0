// SPDX-License-Identifier: Apache-2.0
// Element-wise work on whole arrays, spread over threads where there is enough of it. The argument structs are those of
// the kernels, for the whole array.
#pragma once

#include "kernels/kernels.h"

namespace pyrnn {

enum class ActivationKind { tanh, relu, sigmoid, exp, log };

template <class T>
void activation_forward(ActivationKind kind, const kernels::Activation<T>& whole, int threads);
// Not of exp and log.
template <class T>
void activation_backward(ActivationKind kind, const kernels::ActivationGradient<T>& whole, int threads);

template <class T>
void softmax_forward(const kernels::Softmax<T>& whole, int threads);
template <class T>
void softmax_backward(const kernels::SoftmaxGradient<T>& whole, int threads);
template <class T>
void cross_entropy(const kernels::CrossEntropy<T>& whole, int threads);

// What a unit's fate depends on, besides where it is.
struct DropoutDraw {
  double p;
  std::uint64_t seed, draw, layer;
};

// The kernel's arguments that are the same for all rows; row, time, units, x and y are the caller's to set.
template <class T>
kernels::DropoutRow<T> dropout_row_of(const DropoutDraw& draw);

// y = x * mask / (1 - p) for x [T][B][F]
template <class T>
struct DropoutArray {
  Index steps, rows, units;
  const T* x;
  T* y;
};
template <class T>
void dropout(const DropoutDraw& draw, const DropoutArray<T>& whole, int threads);

struct SgdOptions {
  double lr, momentum, dampening;
  bool nesterov;
  double weight_decay;
  bool first;
};
template <class T>
void sgd_step(Index count, T* p, const T* g, T* momentum_buffer, const SgdOptions& options, int threads);

struct AdamOptions {
  double step_size, gradient_size;  // of m and of g
  double beta1, beta2, eps;
  double weight_decay;  // added to the gradient
  double keep;  // p is multiplied by it first
  std::int64_t step;  // from 1
};
template <class T>
struct AdamState {
  T* p;
  const T* g;
  T* m;
  T* v;
};
template <class T>
void adam_step(Index count, const AdamState<T>& state, const AdamOptions& options, int threads);

struct RmspropOptions {
  double lr, alpha, square_rate, eps, momentum, weight_decay;
};
template <class T>
struct RmspropState {
  T* p;
  const T* g;
  T* square_avg;
  T* momentum_buffer;  // null without momentum
};
template <class T>
void rmsprop_step(Index count, const RmspropState<T>& state, const RmspropOptions& options, int threads);

template <class T>
double sum_squares(const T* a, Index count);
template <class T>
void scale_in_place(T* a, Index count, double factor, int threads);

// rows[n] = weight[ids[n]], weight [V][E]; each id must be in [0, V)
struct EmbeddingIds {
  Index count, columns;  // N, E
  const std::int64_t* ids;  // [N]
};
template <class T>
void embedding_forward(const EmbeddingIds& of, const T* weight, T* rows, int threads);
// grad[ids[n]] += d_rows[n], n ascending
template <class T>
void embedding_backward(const EmbeddingIds& of, const T* d_rows, T* grad);

}  // namespace pyrnn
