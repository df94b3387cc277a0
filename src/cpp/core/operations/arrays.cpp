// SPDX-License-Identifier: Apache-2.0
#include "core/operations/arrays.h"

#include <algorithm>
#include <vector>

#include "core/runtime/arena.h"
#include "core/runtime/pieces.h"

namespace pyrnn {
namespace {

// One panel of columns of b[n], as wide as whole vectors need, zeros in the columns that are missing.
template <class T>
void copy_panel(const T* b, Index inner, Index columns, Index wanted, Index width, T* panel) {
  for (Index k = 0; k < inner; ++k, b += columns, panel += width) {
    std::copy_n(b, wanted, panel);
    std::fill(panel + wanted, panel + width, T(0));
  }
}

template <class T>
void multiply(const kernels::Kernels<T>& k, const BatchedProduct<T>& q, Index n, T* panel) {
  const Index L = k.lanes;
  for (Index first = 0; first < q.columns; first += 4 * L) {
    const Index wanted = smaller(4 * L, q.columns - first), width = round_up(wanted, L);
    copy_panel(q.b + n * q.inner * q.columns + first, q.inner, q.columns, wanted, width, panel);
    k.product({.rows = q.rows,
               .width = static_cast<int>(width / L),
               .a = q.a + n * q.rows * q.inner,
               .a_row = q.inner,
               .b = panel,
               .b_step = width,
               .length = q.inner,
               .start = kernels::Start::zero,
               .c = q.c + n * q.rows * q.columns + first,
               .c_row = q.columns,
               .last_lanes = static_cast<int>(wanted % L)});
  }
}

}  // namespace

template <class T>
void batched_product(const BatchedProduct<T>& q, int threads, Interrupt::Check check) {
  const kernels::Kernels<T>& k = kernels::of_type<T>(active_kernels_of_float32());
  const double each = static_cast<double>(q.inner) * static_cast<double>(q.columns) * static_cast<double>(q.rows + 1);
  const int useful = threads_worth(each * static_cast<double>(q.count), threads);
  Arena arena;
  std::vector<T*> panels(static_cast<std::size_t>(useful));
  for (T*& panel : panels) arena.want(panel, q.inner, 4 * k.lanes);
  arena.allocate();
  Interrupt interrupt(check);
  parallel(useful, [&](int rank, Team& team) noexcept {
    const Range mine = share_of(q.count, rank, team.size());
    for (Index n = mine.begin; n < mine.end && !interrupt.requested(); ++n) {
      multiply(k, q, n, panels[static_cast<std::size_t>(rank)]);
      interrupt.poll(rank, each);
    }
  });
}

template <class T>
void row_sums(const kernels::RowSums<T>& whole, int threads, Interrupt::Check check) {
  over_pieces(whole.rows, whole.columns, threads, check, [&, &k = active<T>()](Range r) noexcept {
    k.row_sums(
        {.rows = r.size(), .columns = whole.columns, .x = whole.x + r.begin * whole.columns, .y = whole.y + r.begin});
  });
}

double sum_in_order(const double* terms, Index count, double start) {
  double sum = start;
  for (Index i = 0; i < count; ++i) sum += terms[i];
  return sum;
}

template void batched_product<float>(const BatchedProduct<float>&, int, Interrupt::Check);
template void batched_product<double>(const BatchedProduct<double>&, int, Interrupt::Check);
template void row_sums<float>(const kernels::RowSums<float>&, int, Interrupt::Check);
template void row_sums<double>(const kernels::RowSums<double>&, int, Interrupt::Check);

}  // namespace pyrnn
