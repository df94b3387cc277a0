// SPDX-License-Identifier: Apache-2.0
#include "core/elementwise.h"
#include "core/pieces.h"

namespace pyrnn {

template <class T>
void layer_norm_forward(const kernels::LayerNorm<T>& whole, int threads) {
  over_pieces(whole.rows, whole.columns, threads, [&, &k = active<T>()](Range r) noexcept {
    kernels::LayerNorm<T> part = whole;
    part.rows = r.size();
    part.x += r.begin * whole.columns;
    part.y += r.begin * whole.columns;
    part.mean += r.begin;
    part.scale += r.begin;
    k.layer_norm_forward(part);
  });
}

template <class T>
void layer_norm_backward(const kernels::LayerNormGradient<T>& whole, int threads) {
  over_pieces(whole.rows, whole.columns, threads, [&, &k = active<T>()](Range r) noexcept {
    kernels::LayerNormGradient<T> part = whole;
    part.rows = r.size();
    part.x += r.begin * whole.columns;
    part.d_y += r.begin * whole.columns;
    part.d_x += r.begin * whole.columns;
    part.mean += r.begin;
    part.scale += r.begin;
    k.layer_norm_backward(part);
  });
}

// Threads divide the columns: each sum is over all rows.
template <class T>
void layer_norm_weight_gradient(const kernels::LayerNormWeightGradient<T>& whole, int threads) {
  const auto take = [&, &k = active<T>()](Range columns) noexcept {
    kernels::LayerNormWeightGradient<T> part = whole;
    part.column_begin = columns.begin;
    part.column_end = columns.end;
    k.layer_norm_weight_gradient(part);
  };
  over_elements(whole.columns, threads, take, whole.rows);
}

#define PYRNN_INSTANTIATE(T)                                                       \
  template void layer_norm_forward<T>(const kernels::LayerNorm<T>&, int);          \
  template void layer_norm_backward<T>(const kernels::LayerNormGradient<T>&, int); \
  template void layer_norm_weight_gradient<T>(const kernels::LayerNormWeightGradient<T>&, int)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
