// SPDX-License-Identifier: Apache-2.0
#include "core/operations/optimizers.h"

#include <atomic>
#include <cmath>

#include "core/runtime/pieces.h"

namespace pyrnn {

template <class T>
void sgd_step(Index count, T* p, const T* g, T* momentum_buffer, const SgdOptions& o, int threads) {
  over_elements(count, threads, nullptr, [&, &k = active<T>()](Range r) noexcept {
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
  over_elements(count, threads, nullptr, [&, &k = active<T>()](Range r) noexcept {
    k.adam_step({.count = r.size(),
                 .p = state.p + r.begin,
                 .g = state.g + r.begin,
                 .m = state.m + r.begin,
                 .v = state.v + r.begin,
                 .v_max = state.v_max ? state.v_max + r.begin : nullptr,
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
  over_elements(count, threads, nullptr, [&, &k = active<T>()](Range r) noexcept {
    k.rmsprop_step({.count = r.size(),
                    .p = state.p + r.begin,
                    .g = state.g + r.begin,
                    .square_avg = state.square_avg + r.begin,
                    .grad_avg = state.grad_avg ? state.grad_avg + r.begin : nullptr,
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
bool all_finite(const T* a, Index count, int threads) {
  std::atomic<bool> finite{true};
  over_elements(count, threads, nullptr, [&, &k = active<T>()](Range r) noexcept {
    if (!k.all_finite(a + r.begin, r.size())) finite.store(false, std::memory_order_relaxed);
  });
  return finite;
}

template <class T>
void scale_in_place(T* a, Index count, double factor, int threads) {
  over_elements(count, threads, nullptr,
                [&, &k = active<T>()](Range r) noexcept { k.scale(a + r.begin, r.size(), static_cast<T>(factor)); });
}

#define PYRNN_INSTANTIATE(T)                                                                \
  template void sgd_step<T>(Index, T*, const T*, T*, const SgdOptions&, int);               \
  template void adam_step<T>(Index, const AdamState<T>&, const AdamOptions&, int);          \
  template void rmsprop_step<T>(Index, const RmspropState<T>&, const RmspropOptions&, int); \
  template double sum_squares<T>(const T*, Index);                                          \
  template bool all_finite<T>(const T*, Index, int);                                        \
  template void scale_in_place<T>(T*, Index, double, int)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
