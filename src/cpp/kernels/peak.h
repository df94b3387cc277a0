// SPDX-License-Identifier: Apache-2.0
// What arithmetic can reach at best: multiply-adds in registers, with nothing to load and nobody to wait for.
#pragma once

#include "kernels/kernels.h"
#include "kernels/parts.h"

namespace pyrnn::kernels {
namespace {

// Two units with a latency of four or five cycles are busy from ten chains on; 16 registers hold twelve.
constexpr int kPeakChains = 12;

// Returns the sum of what it computed, so that no compiler can leave the work out.
template <class T>
T multiply_add(Index rounds) noexcept {
  // Every chain tends to 1: neither denormal nor infinite, however long it runs.
  Vec<T> sums[kPeakChains], factor = broadcast(T(0.999)), step = broadcast(T(0.001));
  hold(factor);
  hold(step);
  unroll<kPeakChains>(PYRNN_UNROLLED(i) { sums[i] = broadcast(T(i) / kPeakChains); });
  for (Index round = 0; round < rounds; ++round)
    unroll<kPeakChains>(PYRNN_UNROLLED(i) { sums[i] = fma(sums[i], factor, step); });
  Vec<T> total = sums[0];
  unroll<kPeakChains - 1>(PYRNN_UNROLLED(i) { total = total + sums[i + 1]; });
  return sum_of_lanes<T>(total);
}

template <class T>
constexpr Peak<T> peak() {
  return {.flops_of_round = 2.0 * kPeakChains * kLanes<T>, .multiply_add = multiply_add<T>};
}

}  // namespace
}  // namespace pyrnn::kernels
