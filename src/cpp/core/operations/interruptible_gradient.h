// SPDX-License-Identifier: Apache-2.0
// The weight gradient of one chunk of rows, in blocks of columns. A call can be stopped between two blocks. Each block
// has its own sums, so the blocks change no bit.
#pragma once

#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

template <class T>
void run_interruptibly(const kernels::Kernels<T>& k, kernels::WeightGradient<T> gradient, Interrupt& interrupt,
                       int rank) {
  const Index end = gradient.column_end, all = end - gradient.column_begin;
  const Index columns = ceil_div(all, ceil_div(all, k.weight_gradient_columns(gradient.rows)));
  for (; gradient.column_begin < end && !interrupt.requested(); gradient.column_begin += columns) {
    gradient.column_end = smaller(gradient.column_begin + columns, end);
    k.weight_gradient(gradient);
    interrupt.poll(rank,
                   static_cast<double>(gradient.rows * columns * gradient.map.panels() * gradient.map.panel_size()));
  }
}

}  // namespace pyrnn
