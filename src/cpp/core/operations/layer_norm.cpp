// SPDX-License-Identifier: Apache-2.0
#include "core/operations/layer_norm.h"

#include <algorithm>
#include <vector>

#include "core/runtime/fpenv.h"
#include "core/runtime/pieces.h"

namespace pyrnn {

template <class T>
void layer_norm_forward(const kernels::LayerNorm<T>& whole, int threads, Interrupt::Check check) {
  over_pieces(whole.rows, whole.columns, threads, check, [&, &k = active<T>()](Range r) noexcept {
    kernels::LayerNorm<T> part = whole;
    part.rows = r.size();
    part.x += r.begin * whole.columns;
    part.y += r.begin * whole.columns;
    part.mean += r.begin;
    part.scale += r.begin;
    k.layer_norm_forward(part);
  });
}

// The sums for the weights are made of rows in chunks, then of chunks, first to last: threads divide chunks and change
// no bit. A chunk's rows are still in the cache when they are read again.
constexpr Index kChunkRows = 64;

template <class T>
void layer_norm_backward(const kernels::LayerNormGradient<T>& whole, T* d_weight, T* d_bias, int threads,
                         Interrupt::Check check) {
  const Index C = whole.columns, chunks = ceil_div(whole.rows, kChunkRows);
  std::vector<T> sums(d_weight ? static_cast<std::size_t>(chunks * 2 * C) : 0);  // [chunk][weight, bias][columns]
  const auto take = [&, &k = active<T>()](Index chunk) noexcept {
    const Index row = chunk * kChunkRows, first = row * C, rows = smaller(kChunkRows, whole.rows - row);
    kernels::LayerNormGradient<T> part = whole;
    part.rows = rows;
    part.x += first;
    part.d_y += first;
    part.mean += row;
    part.scale += row;
    if (whole.d_x) {
      part.d_x += first;
      k.layer_norm_backward(part);
    }
    if (!d_weight) return;
    T* sum = sums.data() + chunk * 2 * C;
    k.layer_norm_weight_gradient({.rows = rows,
                                  .columns = C,
                                  .x = part.x,
                                  .d_y = part.d_y,
                                  .mean = part.mean,
                                  .scale = part.scale,
                                  .d_weight = sum,
                                  .d_bias = sum + C});
  };
  over_pieces(chunks, kChunkRows * C, threads, check, [&](Range r) noexcept {
    for (Index chunk = r.begin; chunk < r.end; ++chunk) take(chunk);
  });
  if (!d_weight) return;
  const ScopedFloatControl flush(kFlushDenormals);  // as in the chunks
  std::fill_n(d_weight, C, T(0));
  std::fill_n(d_bias, C, T(0));
  const T* sum = sums.data();
  for (Index chunk = 0; chunk < chunks; ++chunk, sum += 2 * C) {
    active<T>().add_to(d_weight, sum, C);
    active<T>().add_to(d_bias, sum + C, C);
  }
}

#define PYRNN_INSTANTIATE(T)                                                                \
  template void layer_norm_forward<T>(const kernels::LayerNorm<T>&, int, Interrupt::Check); \
  template void layer_norm_backward<T>(const kernels::LayerNormGradient<T>&, T*, T*, int, Interrupt::Check)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
