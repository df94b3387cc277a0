// SPDX-License-Identifier: Apache-2.0
#include "core/operations/elementwise.h"

#include <algorithm>
#include <cmath>

#include "core/runtime/pieces.h"

namespace pyrnn {
namespace {

// One well mixed word of several (the finaliser of splitmix64, Steele et al., OOPSLA 2014): keys that differ in a bit
// give unrelated masks.
std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = a + 0x9E3779B97F4A7C15u * (b + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

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
void activation_forward(ActivationKind kind, const kernels::Activation<T>& whole, int threads) {
  over_elements(whole.count, threads, [&, kernel = forward_kernel<T>(kind)](Range r) noexcept {
    kernel({.count = r.size(), .x = whole.x + r.begin, .y = whole.y + r.begin});
  });
}

template <class T>
void activation_backward(ActivationKind kind, const kernels::ActivationGradient<T>& whole, int threads) {
  over_elements(whole.count, threads, [&, kernel = backward_kernel<T>(kind)](Range r) noexcept {
    kernel({.count = r.size(), .y = whole.y + r.begin, .d_y = whole.d_y + r.begin, .d_x = whole.d_x + r.begin});
  });
}

template <class T>
void softmax_forward(const kernels::Softmax<T>& whole, int threads) {
  over_pieces(whole.rows, whole.columns, threads, [&, &k = active<T>()](Range r) noexcept {
    const Index first = r.begin * whole.columns;
    k.softmax_forward({.rows = r.size(), .columns = whole.columns, .x = whole.x + first, .y = whole.y + first});
  });
}

template <class T>
void softmax_backward(const kernels::SoftmaxGradient<T>& whole, int threads) {
  over_pieces(whole.rows, whole.columns, threads, [&, &k = active<T>()](Range r) noexcept {
    const Index first = r.begin * whole.columns;
    k.softmax_backward({.rows = r.size(),
                        .columns = whole.columns,
                        .y = whole.y + first,
                        .d_y = whole.d_y + first,
                        .d_x = whole.d_x + first});
  });
}

template <class T>
void cross_entropy(const kernels::CrossEntropy<T>& whole, int threads) {
  over_pieces(whole.rows, whole.columns, threads, [&, &k = active<T>()](Range r) noexcept {
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

template <class T>
kernels::DropoutRow<T> dropout_row_of(const DropoutDraw& draw) {
  kernels::DropoutRow<T> row{};
  row.key = mixed(mixed(draw.seed, draw.draw), draw.layer);
  row.drop_below = static_cast<std::uint32_t>(std::min(draw.p * 0x1p32, 0x1p32 - 1));
  row.scale = draw.p < 1 ? static_cast<T>(1 / (1 - draw.p)) : T(0);
  return row;
}

template <class T>
void dropout(const DropoutDraw& draw, const DropoutArray<T>& whole, int threads) {
  const kernels::DropoutRow<T> common = dropout_row_of<T>(draw);
  over_pieces(whole.steps * whole.rows, whole.units, threads, [&, &k = active<T>()](Range r) noexcept {
    kernels::DropoutRow<T> row = common;
    row.units = whole.units;
    for (Index i = r.begin; i < r.end; ++i) {
      row.time = static_cast<std::uint32_t>(i / whole.rows);
      row.row = static_cast<std::uint32_t>(i % whole.rows);
      row.x = whole.x + i * whole.units;
      row.y = whole.y + i * whole.units;
      k.dropout_row(row);
    }
  });
}

template <class T>
void sgd_step(Index count, T* p, const T* g, T* momentum_buffer, const SgdOptions& o, int threads) {
  over_elements(count, threads, [&, &k = active<T>()](Range r) noexcept {
    k.sgd_step({.count = r.size(),
                .p = p + r.begin,
                .g = g + r.begin,
                .momentum_buffer = momentum_buffer ? momentum_buffer + r.begin : nullptr,
                .first = o.first,
                .nesterov = o.nesterov,
                .lr = static_cast<T>(o.lr),
                .momentum = static_cast<T>(o.momentum),
                .undamped = static_cast<T>(1 - o.dampening),
                .weight_decay = static_cast<T>(o.weight_decay)});
  });
}

template <class T>
void adam_step(Index count, const AdamState<T>& state, const AdamOptions& o, int threads) {
  const double root_correction = std::sqrt(1 - std::pow(o.beta2, static_cast<double>(o.step)));
  over_elements(count, threads, [&, &k = active<T>()](Range r) noexcept {
    k.adam_step({.count = r.size(),
                 .p = state.p + r.begin,
                 .g = state.g + r.begin,
                 .m = state.m + r.begin,
                 .v = state.v + r.begin,
                 .m_rate = static_cast<T>(1 - o.beta1),
                 .beta2 = static_cast<T>(o.beta2),
                 .v_rate = static_cast<T>(1 - o.beta2),
                 .eps = static_cast<T>(o.eps),
                 .step_size = static_cast<T>(o.step_size),
                 .gradient_size = static_cast<T>(o.gradient_size),
                 .root_correction = static_cast<T>(root_correction),
                 .weight_decay = static_cast<T>(o.weight_decay),
                 .keep = static_cast<T>(o.keep)});
  });
}

template <class T>
void rmsprop_step(Index count, const RmspropState<T>& state, const RmspropOptions& o, int threads) {
  over_elements(count, threads, [&, &k = active<T>()](Range r) noexcept {
    k.rmsprop_step({.count = r.size(),
                    .p = state.p + r.begin,
                    .g = state.g + r.begin,
                    .square_avg = state.square_avg + r.begin,
                    .momentum_buffer = state.momentum_buffer ? state.momentum_buffer + r.begin : nullptr,
                    .lr = static_cast<T>(o.lr),
                    .alpha = static_cast<T>(o.alpha),
                    .square_rate = static_cast<T>(o.square_rate),
                    .eps = static_cast<T>(o.eps),
                    .momentum = static_cast<T>(o.momentum),
                    .weight_decay = static_cast<T>(o.weight_decay)});
  });
}

template <class T>
double sum_squares(const T* a, Index count) {
  const ScopedFloatControl flush(kFlushDenormals);
  return active<T>().sum_squares(a, count);
}

template <class T>
void scale_in_place(T* a, Index count, double factor, int threads) {
  over_elements(count, threads,
                [&, &k = active<T>()](Range r) noexcept { k.scale(a + r.begin, r.size(), static_cast<T>(factor)); });
}

template <class T>
void embedding_forward(const EmbeddingIds& of, const T* weight, T* rows, int threads) {
  over_pieces(of.count, of.columns, threads, [&](Range r) noexcept {
    for (Index n = r.begin; n < r.end; ++n)
      std::copy_n(weight + of.ids[n] * of.columns, of.columns, rows + n * of.columns);
  });
}

template <class T>
void embedding_backward(const EmbeddingIds& of, const T* d_rows, T* grad) {
  const ScopedFloatControl flush(kFlushDenormals);
  for (Index n = 0; n < of.count; ++n, d_rows += of.columns) {
    T* to = grad + of.ids[n] * of.columns;
    for (Index e = 0; e < of.columns; ++e) to[e] += d_rows[e];
  }
}

#define PYRNN_INSTANTIATE(T)                                                                        \
  template void activation_forward<T>(ActivationKind, const kernels::Activation<T>&, int);          \
  template void activation_backward<T>(ActivationKind, const kernels::ActivationGradient<T>&, int); \
  template void softmax_forward<T>(const kernels::Softmax<T>&, int);                                \
  template void softmax_backward<T>(const kernels::SoftmaxGradient<T>&, int);                       \
  template void cross_entropy<T>(const kernels::CrossEntropy<T>&, int);                             \
  template kernels::DropoutRow<T> dropout_row_of<T>(const DropoutDraw&);                            \
  template void dropout<T>(const DropoutDraw&, const DropoutArray<T>&, int);                        \
  template void sgd_step<T>(Index, T*, const T*, T*, const SgdOptions&, int);                       \
  template void adam_step<T>(Index, const AdamState<T>&, const AdamOptions&, int);                  \
  template void rmsprop_step<T>(Index, const RmspropState<T>&, const RmspropOptions&, int);         \
  template double sum_squares<T>(const T*, Index);                                                  \
  template void scale_in_place<T>(T*, Index, double, int);                                          \
  template void embedding_forward<T>(const EmbeddingIds&, const T*, T*, int);                       \
  template void embedding_backward<T>(const EmbeddingIds&, const T*, T*)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
