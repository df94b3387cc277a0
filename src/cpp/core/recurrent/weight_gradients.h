// SPDX-License-Identifier: Apache-2.0
// The gradients of a stack's weights as the passes sum them, and how they join the caller's arrays.
#pragma once

#include <vector>

#include "core/recurrent/weights.h"
#include "core/runtime/arena.h"

namespace pyrnn {

// The gradients of all weights, apart from the caller's arrays until add_to().
template <class T>
class WeightGradients {
 public:
  WeightGradients(const StackShape& shape, const kernels::KernelTable& table, int threads);
  void add_to(const std::vector<Weights<T>>& gradients) const;

  struct Direction {
    T* w_ih;  // kernels::WeightGradient's layout, with the column of ones for b_ih
    T* w_hh;  // the same with b_hh; GRU with reset before: the part of r and z
    T* w_hn;  // GRU with reset before
    T* w_hr;
    T* peephole;  // LSTM
    T *ln_ih, *ln_hh, *ln_c;      // layer normalisation: of its gains,
    T *ln_b_ih, *ln_b_hh, *b_ln_c;  // and of what is added behind it, of which the column of ones knows nothing
  };
  std::vector<Direction> directions;

 private:
  StackShape shape_;
  const kernels::KernelTable* table_;
  int threads_;
  Arena arena_;
};

}  // namespace pyrnn
