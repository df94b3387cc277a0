// SPDX-License-Identifier: Apache-2.0
// How the members of a team share one layer and direction.
//
// Members that hold rows of their own do not wait for each other before the weight gradients. Where the batch is too
// small for that, they split the units of every row and wait at a barrier after each step. No bit depends on this.
#pragma once

#include "core/recurrent/batch.h"
#include "core/recurrent/shape.h"
#include "core/runtime/shares.h"

namespace pyrnn {

// The weights of all layers and directions; as many multiply-adds does a row take at each time step.
double weights_of_stack(const StackShape& shape);

// What passes with that many rows cost, in multiply-adds: with few rows, reading the weights.
double work_of_rows(const StackShape& shape, double rows, std::size_t element_bytes);

struct Split {
  int threads;
  bool by_units;

  static Split plan(const StackShape& shape, const Batch& batch, Index lanes, std::size_t element_bytes, int threads);

  // The rows of a batch sorted by length, cut so that each member has about as many of these steps.
  Range rows(const Batch& batch, Segment steps, int rank) const;
  Range panels(Index count, int rank) const { return by_units ? share_of(count, rank, threads) : Range{0, count}; }
};

}  // namespace pyrnn
