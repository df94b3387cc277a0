// SPDX-License-Identifier: Apache-2.0
#include "core/operations/embedding.h"

#include <algorithm>
#include <bit>

#include "core/runtime/pieces.h"

namespace pyrnn {

template <class T>
void EmbeddingTable<T>::read(Index id, T* to) const {
  const auto each = [&](const auto* from, auto&& as_number) {
    from += id * columns;
    for (Index e = 0; e < columns; ++e) to[e] = as_number(from[e]);
  };
  if (int8)
    each(int8, [&](kernels::Int8 number) { return static_cast<T>(number.value) * scale[id]; });
  else if (bf16)
    each(bf16, [](kernels::Bf16 number) { return std::bit_cast<float>(std::uint32_t{number.bits} << 16); });
  else
    std::copy_n(rows + id * columns, columns, to);
}

template <class T>
void embedding_forward(const EmbeddingTable<T>& table, const EmbeddingIds& of, T* rows, int threads,
                       Interrupt::Check check) {
  over_pieces(of.count, table.columns, threads, check, [&](Range r) noexcept {
    for (Index n = r.begin; n < r.end; ++n) table.read(of.ids[n], rows + n * table.columns);
  });
}

template <class T>
void embedding_backward(const EmbeddingIds& of, Index columns, const T* d_rows, T* grad) {
  const ScopedFloatControl flush(kFlushDenormals);
  for (Index n = 0; n < of.count; ++n, d_rows += columns) {
    T* to = grad + of.ids[n] * columns;
    for (Index e = 0; e < columns; ++e) to[e] += d_rows[e];
  }
}

#define PYRNN_INSTANTIATE(T)                                                                                    \
  template struct EmbeddingTable<T>;                                                                            \
  template void embedding_forward<T>(const EmbeddingTable<T>&, const EmbeddingIds&, T*, int, Interrupt::Check); \
  template void embedding_backward<T>(const EmbeddingIds&, Index, const T*, T*)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
