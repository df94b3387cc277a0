// SPDX-License-Identifier: Apache-2.0
// Pooling over time for ragged rows.
#pragma once

#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

// Where a batch of sequences lies: [T][B][F], or [B][T][F] with batch_first.
struct PooledRows {
  Index steps, rows, columns;
  bool batch_first;
  const std::int64_t* lengths;  // [B], each in [0, T]

  Index time_stride() const { return batch_first ? columns : rows * columns; }
  Index row_stride() const { return batch_first ? steps * columns : columns; }
};

// The steps of the longest row.
inline Index longest_of(const PooledRows& of) {
  Index longest = 0;
  for (Index row = 0; row < of.rows; ++row) longest = larger(longest, static_cast<Index>(of.lengths[row]));
  return longest;
}

// y[b] = sum of the row's steps, with an error that does not grow with their number
template <class T>
void time_sum(const PooledRows& of, const T* x, T* y, int threads, Interrupt::Check check);
// y[b] = the row's largest values; largest[b] = the first steps that have them
template <class T>
void time_max(const PooledRows& of, const T* x, T* y, kernels::StepNumber<T>* largest, int threads,
              Interrupt::Check check);
// d_x[b][t] = d_y[b] at the row's steps, 0 after them
template <class T>
void time_spread(const PooledRows& of, const T* d_y, T* d_x, int threads, Interrupt::Check check);

}  // namespace pyrnn
