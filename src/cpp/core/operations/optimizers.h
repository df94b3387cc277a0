// SPDX-License-Identifier: Apache-2.0
// In-place steps of the optimizers, and the norm and scaling of gradients.
#pragma once

#include "kernels/kernels.h"

namespace pyrnn {

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
  T* v_max;  // null without AMSGrad
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
  T* grad_avg;  // null if not centred
  T* momentum_buffer;  // null without momentum
};
template <class T>
void rmsprop_step(Index count, const RmspropState<T>& state, const RmspropOptions& options, int threads);

template <class T>
double sum_squares(const T* a, Index count);
template <class T>
bool all_finite(const T* a, Index count, int threads);
template <class T>
void scale_in_place(T* a, Index count, double factor, int threads);

}  // namespace pyrnn
