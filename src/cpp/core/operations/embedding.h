// SPDX-License-Identifier: Apache-2.0
// Look-up of a table's rows by their ids, and the sums of the rows' gradients.
#pragma once

#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

// Rows as they are kept: in T, or for inference in a narrower type, of which each is read as T.
template <class T>
struct EmbeddingTable {
  Index count = 0, columns = 0;  // V, E
  const T* rows = nullptr;  // [V][E]
  const kernels::Bf16* bf16 = nullptr;  // instead
  const kernels::Int8* int8 = nullptr;  // instead, each row times
  const T* scale = nullptr;             // [V]
  void read(Index id, T* to) const;
};

// Each id must be one of the table's.
struct EmbeddingIds {
  Index count;  // N
  const std::int64_t* ids;  // [N]
};
// rows[n] = table[ids[n]]
template <class T>
void embedding_forward(const EmbeddingTable<T>& table, const EmbeddingIds& of, T* rows, int threads,
                       Interrupt::Check check);
// grad[ids[n]] += d_rows[n], n ascending; grad [V][columns]
template <class T>
void embedding_backward(const EmbeddingIds& of, Index columns, const T* d_rows, T* grad);

}  // namespace pyrnn
