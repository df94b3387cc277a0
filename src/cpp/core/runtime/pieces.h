// SPDX-License-Identifier: Apache-2.0
// Ranges of equal pieces of work, spread over threads where there is enough work.
#pragma once

#include "core/runtime/interrupt.h"
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

constexpr Index kElementsPerLook = Index{1} << 16;  // whether the caller asks to stop

// Calls f(range) for each member's share of `count` pieces of `size` elements each, some at a time, until the caller
// asks to stop. Without a check, which an update in place has to do without, all at once.
template <class F>
void over_pieces(Index count, Index size, int threads, Interrupt::Check check, F&& f) {
  if (size == 0) return;
  Interrupt interrupt(check);
  const Index together = check ? larger(1, kElementsPerLook / size) : larger(1, count);
  parallel(threads_worth(kWorkOfElement * static_cast<double>(count * size), threads), &interrupt,
           [&](int rank, Team& team) noexcept {
             const Range mine = share_of(count, rank, team.size());
             for (Index begin = mine.begin; begin < mine.end && !interrupt.requested(); begin += together) {
               const Range some{begin, smaller(begin + together, mine.end)};
               f(some);
               interrupt.poll(rank, kWorkOfElement * static_cast<double>(some.size() * size));
             }
           });
}

template <class F>
void over_elements(Index count, int threads, Interrupt::Check check, F&& f) {
  over_pieces(ceil_div(count, kLineElements), kLineElements, threads, check, [&](Range lines) noexcept {
    f(Range{lines.begin * kLineElements, smaller(count, lines.end * kLineElements)});
  });
}

}  // namespace pyrnn
