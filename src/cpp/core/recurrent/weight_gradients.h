// SPDX-License-Identifier: Apache-2.0
// The gradients of a stack's weights as the passes sum them, and their addition to the caller's arrays.
#pragma once

#include <memory>
#include <vector>

#include "core/recurrent/batch.h"
#include "core/recurrent/weights.h"
#include "core/runtime/arena.h"

namespace pyrnn {

// The gradients of all weights, apart from the caller's arrays until add_to().
template <class T>
class WeightGradients {
 public:
  // batch: null where its parts have passes of their own.
  WeightGradients(const StackShape& shape, const kernels::KernelTable& table, int threads, const Batch* batch,
                  bool wanted);
  void add_to(const std::vector<Weights<T>>& gradients) const;

  // Those of the matrices are made by add_to() itself (kernels::FewRowsGradient): `directions` then has the rows that
  // they are products of, and `of_few_rows` points into the activations, which have to be kept for it.
  bool are_of_few_rows() const { return !of_few_rows.empty(); }
  void keep(std::shared_ptr<const void> activations) { activations_ = std::move(activations); }

  struct OfFewRows {
    Index rows, segments, segment_stride, gates_panel;
    Weights<const T> d_gates;
  };
  std::vector<Weights<T>> directions;  // null where they are not wanted
  std::vector<OfFewRows> of_few_rows;  // of each direction, or empty

 private:
  StackShape shape_;
  const kernels::KernelTable* table_;
  int threads_;
  double work_;  // of add_to()
  Arena arena_;
  std::shared_ptr<const void> activations_;
};

}  // namespace pyrnn
