// SPDX-License-Identifier: Apache-2.0
#include "core/operations/activations.h"

#include "core/runtime/pieces.h"

namespace pyrnn {
namespace {

template <class T>
auto forward_kernel(ActivationKind kind) {
  const kernels::ElementwiseKernels<T>& k = active<T>();
  switch (kind) {
    case ActivationKind::tanh:
      return k.tanh_forward;
    case ActivationKind::relu:
      return k.relu_forward;
    case ActivationKind::sigmoid:
      return k.sigmoid_forward;
    case ActivationKind::exp:
      return k.exp_forward;
    case ActivationKind::log:
      break;
  }
  return k.log_forward;
}

template <class T>
auto backward_kernel(ActivationKind kind) {
  const kernels::ElementwiseKernels<T>& k = active<T>();
  if (kind == ActivationKind::tanh) return k.tanh_backward;
  return kind == ActivationKind::relu ? k.relu_backward : k.sigmoid_backward;
}

}  // namespace

template <class T>
void activation_forward(ActivationKind kind, const kernels::Activation<T>& whole, int threads, Interrupt::Check check) {
  over_elements(whole.count, threads, check, [&, kernel = forward_kernel<T>(kind)](Range r) noexcept {
    kernel({.count = r.size(), .x = whole.x + r.begin, .y = whole.y + r.begin});
  });
}

template <class T>
void activation_backward(ActivationKind kind, const kernels::ActivationGradient<T>& whole, int threads,
                         Interrupt::Check check) {
  over_elements(whole.count, threads, check, [&, kernel = backward_kernel<T>(kind)](Range r) noexcept {
    kernel({.count = r.size(), .y = whole.y + r.begin, .d_y = whole.d_y + r.begin, .d_x = whole.d_x + r.begin});
  });
}

template <class T>
void softmax_forward(const kernels::Softmax<T>& whole, int threads, Interrupt::Check check) {
  over_pieces(whole.rows, whole.columns, threads, check, [&, &k = active<T>()](Range r) noexcept {
    const Index first = r.begin * whole.columns;
    k.softmax_forward({.rows = r.size(), .columns = whole.columns, .x = whole.x + first, .y = whole.y + first});
  });
}

template <class T>
void softmax_backward(const kernels::SoftmaxGradient<T>& whole, int threads, Interrupt::Check check) {
  over_pieces(whole.rows, whole.columns, threads, check, [&, &k = active<T>()](Range r) noexcept {
    const Index first = r.begin * whole.columns;
    k.softmax_backward({.rows = r.size(),
                        .columns = whole.columns,
                        .y = whole.y + first,
                        .d_y = whole.d_y + first,
                        .d_x = whole.d_x + first});
  });
}

template <class T>
void cross_entropy(const kernels::CrossEntropy<T>& whole, int threads, Interrupt::Check check) {
  over_pieces(whole.rows, whole.columns, threads, check, [&, &k = active<T>()](Range r) noexcept {
    const Index first = r.begin * whole.columns;
    k.cross_entropy({.rows = r.size(),
                     .columns = whole.columns,
                     .logits = whole.logits + first,
                     .targets = whole.targets + r.begin,
                     .scale = whole.scale + r.begin,
                     .spread = whole.spread,
                     .spread_sum = whole.spread_sum,
                     .losses = whole.losses + r.begin,
                     .d_logits = whole.d_logits + first});
  });
}

#define PYRNN_INSTANTIATE(T)                                                                                          \
  template void activation_forward<T>(ActivationKind, const kernels::Activation<T>&, int, Interrupt::Check);          \
  template void activation_backward<T>(ActivationKind, const kernels::ActivationGradient<T>&, int, Interrupt::Check); \
  template void softmax_forward<T>(const kernels::Softmax<T>&, int, Interrupt::Check);                                \
  template void softmax_backward<T>(const kernels::SoftmaxGradient<T>&, int, Interrupt::Check);                       \
  template void cross_entropy<T>(const kernels::CrossEntropy<T>&, int, Interrupt::Check)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
