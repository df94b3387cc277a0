// SPDX-License-Identifier: Apache-2.0
// Look-up of a table's rows by their ids, and the sums of the rows' gradients.
#pragma once

#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

// rows[n] = weight[ids[n]], weight [V][E]; each id must be in [0, V)
struct EmbeddingIds {
  Index count, columns;  // N, E
  const std::int64_t* ids;  // [N]
};
template <class T>
void embedding_forward(const EmbeddingIds& of, const T* weight, T* rows, int threads, Interrupt::Check check);
// grad[ids[n]] += d_rows[n], n ascending
template <class T>
void embedding_backward(const EmbeddingIds& of, const T* d_rows, T* grad);

}  // namespace pyrnn
