// SPDX-License-Identifier: Apache-2.0
#include "core/operations/pool.h"

#include <algorithm>

#include "core/runtime/pieces.h"

namespace pyrnn {
namespace {

template <class T>
kernels::TimePool<T> pool_of_row(const PooledRows& of, Index row, const T* x, T* y) {
  return {.steps = static_cast<Index>(of.lengths[row]),
          .columns = of.columns,
          .stride = of.time_stride(),
          .x = x + row * of.row_stride(),
          .y = y + row * of.columns,
          .largest = nullptr};
}

// Calls f(row) for all rows, spread over threads.
template <class F>
void over_rows(const PooledRows& of, int threads, F&& f) {
  if (of.columns == 0) return;  // there may be any number of steps without a byte
  over_pieces(of.rows, of.steps * of.columns, threads, [&](Range r) noexcept {
    for (Index row = r.begin; row < r.end; ++row) f(row);
  });
}

}  // namespace

template <class T>
void time_sum(const PooledRows& of, const T* x, T* y, int threads) {
  over_rows(of, threads, [&, &k = active<T>()](Index row) noexcept { k.time_sum(pool_of_row(of, row, x, y)); });
}

template <class T>
void time_max(const PooledRows& of, const T* x, T* y, kernels::StepNumber<T>* largest, int threads) {
  over_rows(of, threads, [&, &k = active<T>()](Index row) noexcept {
    kernels::TimePool<T> pool = pool_of_row(of, row, x, y);
    pool.largest = largest + row * of.columns;
    k.time_max(pool);
  });
}

template <class T>
void time_spread(const PooledRows& of, const T* d_y, T* d_x, int threads) {
  over_rows(of, threads, [&](Index row) noexcept {
    T* to = d_x + row * of.row_stride();
    for (Index t = 0; t < of.steps; ++t, to += of.time_stride()) {
      if (t < of.lengths[row])
        std::copy_n(d_y + row * of.columns, of.columns, to);
      else
        std::fill_n(to, of.columns, T(0));
    }
  });
}

#define PYRNN_INSTANTIATE(T)                                                                \
  template void time_sum<T>(const PooledRows&, const T*, T*, int);                          \
  template void time_max<T>(const PooledRows&, const T*, T*, kernels::StepNumber<T>*, int); \
  template void time_spread<T>(const PooledRows&, const T*, T*, int)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
