// SPDX-License-Identifier: Apache-2.0
#include "core/operations/pool.h"

#include <algorithm>
#include <cmath>

#include "core/runtime/arena.h"
#include "core/runtime/pieces.h"

namespace pyrnn {
namespace {

// Steps that are added one by one. The sums of a row's chunks, anchored at its first step, are added with what each
// addition loses, so that the error does not grow with the number of steps.
constexpr Index kSumSteps = 64;

template <class T>
kernels::TimePool<T> pool_of_row(const PooledRows& of, Index row, const T* x, T* y) {
  return {.steps = static_cast<Index>(of.lengths[row]),
          .columns = of.columns,
          .stride = of.time_stride(),
          .x = x + row * of.row_stride(),
          .y = y + row * of.columns,
          .first = 0,
          .largest = nullptr};
}

// Calls f(row, rank, interrupt) for all rows, spread over threads, until the caller asks to stop.
template <class F>
void over_rows(const PooledRows& of, int threads, Interrupt::Check check, F&& f) {
  if (of.columns == 0) return;
  Interrupt interrupt(check);
  const double work = kWorkOfElement * static_cast<double>(of.rows * of.steps * of.columns);
  parallel(threads_worth(work, threads), &interrupt, [&](int rank, Team& team) noexcept {
    const Range mine = share_of(of.rows, rank, team.size());
    for (Index row = mine.begin; row < mine.end && !interrupt.requested(); ++row) f(row, rank, interrupt);
  });
}

double work_of(const PooledRows& of, Index steps) { return kWorkOfElement * static_cast<double>(steps * of.columns); }

// One thread's memory for rows of more than one chunk.
template <class T>
struct ChunkSums {
  T *chunk, *lost;
};

template <class T>
void sum_chunks(const kernels::ElementwiseKernels<T>& k, const PooledRows& of, kernels::TimePool<T> pool,
                const ChunkSums<T>& sums, int rank, Interrupt& interrupt) {
  const Index steps = pool.steps;
  T* const y = pool.y;
  std::fill_n(y, of.columns, T(0));
  std::fill_n(sums.lost, of.columns, T(0));
  pool.y = sums.chunk;
  for (Index t = 0; t < steps && !interrupt.requested(); t += kSumSteps, pool.x += kSumSteps * pool.stride) {
    pool.steps = smaller(kSumSteps, steps - t);
    k.time_sum(pool);
    k.add_compensated({.columns = of.columns, .x = sums.chunk, .total = y, .lost = sums.lost});
    interrupt.poll(rank, work_of(of, pool.steps));
  }
  for (Index i = 0; i < of.columns; ++i)
    if (std::isfinite(sums.lost[i])) y[i] += sums.lost[i];  // else y is not finite either
}

}  // namespace

template <class T>
void time_sum(const PooledRows& of, const T* x, T* y, int threads, Interrupt::Check check) {
  Arena arena;
  std::vector<ChunkSums<T>> sums(static_cast<std::size_t>(threads));
  if (longest_of(of) > kSumSteps) {
    for (ChunkSums<T>& of_thread : sums)
      for (T** columns : {&of_thread.chunk, &of_thread.lost}) arena.want(*columns, of.columns);
    arena.allocate();
  }
  over_rows(of, threads, check, [&, &k = active<T>()](Index row, int rank, Interrupt& interrupt) noexcept {
    const kernels::TimePool<T> pool = pool_of_row(of, row, x, y);
    if (pool.steps <= kSumSteps) {
      k.time_sum(pool);
      interrupt.poll(rank, work_of(of, pool.steps));
    } else {
      sum_chunks(k, of, pool, sums[static_cast<std::size_t>(rank)], rank, interrupt);
    }
  });
}

template <class T>
void time_max(const PooledRows& of, const T* x, T* y, kernels::StepNumber<T>* largest, int threads,
              Interrupt::Check check) {
  over_rows(of, threads, check, [&, &k = active<T>()](Index row, int rank, Interrupt& interrupt) noexcept {
    kernels::TimePool<T> pool = pool_of_row(of, row, x, y);
    pool.largest = largest + row * of.columns;
    const Index steps = pool.steps, together = larger(1, kElementsPerLook / of.columns);
    do {
      pool.steps = smaller(pool.first + together, steps);
      k.time_max(pool);
      interrupt.poll(rank, work_of(of, pool.steps - pool.first));
      pool.first = pool.steps;
    } while (pool.first < steps && !interrupt.requested());
  });
}

template <class T>
void time_spread(const PooledRows& of, const T* d_y, T* d_x, int threads, Interrupt::Check check) {
  over_rows(of, threads, check, [&](Index row, int rank, Interrupt& interrupt) noexcept {
    T* to = d_x + row * of.row_stride();
    for (Index t = 0; t < of.steps && !interrupt.requested(); ++t, to += of.time_stride()) {
      if (t < of.lengths[row])
        std::copy_n(d_y + row * of.columns, of.columns, to);
      else
        std::fill_n(to, of.columns, T(0));
      interrupt.poll(rank, work_of(of, 1));
    }
  });
}

#define PYRNN_INSTANTIATE(T)                                                                                  \
  template void time_sum<T>(const PooledRows&, const T*, T*, int, Interrupt::Check);                          \
  template void time_max<T>(const PooledRows&, const T*, T*, kernels::StepNumber<T>*, int, Interrupt::Check); \
  template void time_spread<T>(const PooledRows&, const T*, T*, int, Interrupt::Check)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
