// SPDX-License-Identifier: Apache-2.0
// How the members of a team share one layer and direction.
//
// Members that hold rows of their own meet nowhere before the weight gradients. Where the batch is too small for that,
// they share the units of every row and meet after each step. No bit depends on the choice.
#pragma once

#include "core/recurrent/batch.h"
#include "core/recurrent/shape.h"

namespace pyrnn {

struct Range {
  Index begin, end;
  Index size() const { return end - begin; }
  bool empty() const { return begin >= end; }
};

// This member's share of `count` equal pieces.
inline Range share_of(Index count, int rank, int size) { return {count * rank / size, count * (rank + 1) / size}; }

constexpr Index kRowsForTiles = 8;  // rows per member from which the products' tiles are full enough

// The weights of all layers and directions; as many multiply-adds does a row take at each time step.
double weights_of_stack(const StackShape& shape);

// What passes with so many rows cost, in multiply-adds: with few rows, reading the weights.
double work_of_rows(const StackShape& shape, double rows);

// All of `threads`, or one where `work` (in multiply-adds) is not worth waking the others. Nothing in between: OpenMP
// ends the threads that a smaller team leaves over, and starts them again for the next larger one.
int threads_worth(double work, int threads);

// The same for passes over weights that compute nothing: packing, adding gradients.
constexpr double kWorkOfMove = 16;  // multiply-adds that take as long as moving an element from one layout to another

struct Split {
  int threads;
  bool by_units;

  static Split plan(const StackShape& shape, const Batch& batch, Index lanes, std::size_t element_bytes, int threads);

  // The rows of a batch sorted by length, cut so that each member has about as many of these steps.
  Range rows(const Batch& batch, Segment steps, int rank) const;
  Range panels(Index count, int rank) const { return by_units ? share_of(count, rank, threads) : Range{0, count}; }
};

}  // namespace pyrnn
