// SPDX-License-Identifier: Apache-2.0
#include "core/operations/embedding.h"

#include <algorithm>

#include "core/runtime/pieces.h"

namespace pyrnn {

template <class T>
void embedding_forward(const EmbeddingIds& of, const T* weight, T* rows, int threads, Interrupt::Check check) {
  over_pieces(of.count, of.columns, threads, check, [&](Range r) noexcept {
    for (Index n = r.begin; n < r.end; ++n)
      std::copy_n(weight + of.ids[n] * of.columns, of.columns, rows + n * of.columns);
  });
}

template <class T>
void embedding_backward(const EmbeddingIds& of, const T* d_rows, T* grad) {
  const ScopedFloatControl flush(kFlushDenormals);
  for (Index n = 0; n < of.count; ++n, d_rows += of.columns) {
    T* to = grad + of.ids[n] * of.columns;
    for (Index e = 0; e < of.columns; ++e) to[e] += d_rows[e];
  }
}

#define PYRNN_INSTANTIATE(T)                                                                    \
  template void embedding_forward<T>(const EmbeddingIds&, const T*, T*, int, Interrupt::Check); \
  template void embedding_backward<T>(const EmbeddingIds&, const T*, T*)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
