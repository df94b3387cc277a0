// SPDX-License-Identifier: Apache-2.0
// Ranges of equal pieces of work, spread over threads where there is enough of it.
#pragma once

#include "core/runtime/isa.h"
#include "core/runtime/parallel.h"
#include "core/runtime/shares.h"
#include "kernels/kernels.h"

namespace pyrnn {

constexpr double kWorkOfElement = 16;  // multiply-adds that an element's function takes as long as
constexpr Index kLineElements = 64;    // members meet at whole cache lines

template <class T>
const kernels::ElementwiseKernels<T>& active() {
  return kernels::of_type<T>(active_kernels()).elementwise;
}

// Calls f(range) for each member's share of `count` pieces of `size` elements each.
template <class F>
void over_pieces(Index count, Index size, int threads, F&& f) {
  parallel(threads_worth(kWorkOfElement * static_cast<double>(count * size), threads),
           [&](int rank, Team& team) noexcept {
             const Range mine = share_of(count, rank, team.size());
             if (!mine.empty()) f(mine);
           });
}

template <class F>
void over_elements(Index count, int threads, F&& f) {
  over_pieces(ceil_div(count, kLineElements), kLineElements, threads, [&](Range lines) noexcept {
    f(Range{lines.begin * kLineElements, smaller(count, lines.end * kLineElements)});
  });
}

}  // namespace pyrnn
