// SPDX-License-Identifier: Apache-2.0
// The vocabulary of the core. Dimensions are single capitals; comments write shapes as [rows][columns]:
//
//   T  time steps          B  batch            I  input size        H  hidden size
//   P  output size of a layer and direction: proj_size, or H without projection
//   G  gates: 1 (RNN), 4 (LSTM: i, f, g, o), 3 (GRU: r, z, n), in torch's order
//   D  directions (1 or 2), L  layers
//   R  rows of all time steps: T*B, or the sum of the lengths of a ragged batch
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrnn {

using Index = std::ptrdiff_t;

// Weight gradients are summed in chunks of this many time steps, about kRowsOfChunk rows, counted from the direction's
// first step; inside a chunk the rows follow in storage order, and the chunks are added last first. Fixed by the batch
// alone, so that no thread count or memory plan moves a bit.
constexpr Index kRowsOfChunk = 512, kMostStepsOfChunk = 512;
constexpr Index chunk_steps(Index batch_rows) {
  Index steps = 16;
  while (2 * steps * batch_rows <= kRowsOfChunk && steps < kMostStepsOfChunk) steps *= 2;
  return steps;
}

// Always inlined, here and wherever kernels see an inline function of a named namespace: a copy of it compiled for one
// instruction set must not be linked in for another.
#define PYRNN_ALWAYS_INLINE inline __attribute__((always_inline))

PYRNN_ALWAYS_INLINE constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }
PYRNN_ALWAYS_INLINE constexpr Index round_up(Index a, Index b) { return ceil_div(a, b) * b; }
PYRNN_ALWAYS_INLINE constexpr Index smaller(Index a, Index b) { return a < b ? a : b; }
PYRNN_ALWAYS_INLINE constexpr Index larger(Index a, Index b) { return a < b ? b : a; }

}  // namespace pyrnn
