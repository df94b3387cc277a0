// SPDX-License-Identifier: Apache-2.0
// The gradients of a stack's weights as the passes sum them, and their addition to the caller's arrays.
#pragma once

#include <vector>

#include "core/recurrent/weights.h"
#include "core/runtime/arena.h"

namespace pyrnn {

// The gradients of all weights, apart from the caller's arrays until add_to().
template <class T>
class WeightGradients {
 public:
  WeightGradients(const StackShape& shape, const kernels::KernelTable& table, int threads, bool wanted);
  void add_to(const std::vector<Weights<T>>& gradients) const;

  std::vector<Weights<T>> directions;  // null where they are not wanted

 private:
  StackShape shape_;
  const kernels::KernelTable* table_;
  int threads_;
  Arena arena_;
};

}  // namespace pyrnn
