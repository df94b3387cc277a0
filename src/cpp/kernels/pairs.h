// SPDX-License-Identifier: Apache-2.0
// Products of bfloat16: pairs of neighbouring k in the place of one float.
//
// Where this file is compiled for AVX512_BF16, products of float32 round their operands to bfloat16, and one
// instruction adds two products to each sum. Rows of A are rounded tile by tile, B when it is packed: two neighbouring
// k of a column, the last of an odd number beside zero, fill the room of one float. So B keeps its shape,
// [k/2][column], and the tiles of product.h take a pair for a number.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pyrnn::kernels {
namespace {

#if defined(__AVX512BF16__)
template <class T, class W = T>
constexpr bool kPairs = std::is_same_v<T, float> && std::is_same_v<W, float>;
#else
template <class T, class W = T>
constexpr bool kPairs = false;
#endif

// The places that k terms of a sum take.
template <class T, class W = T>
PYRNN_INLINE constexpr Index places(Index terms) {
  return kPairs<T, W> ? ceil_div(terms, 2) : terms;
}

// sum + a*b of the numbers, or pairs, in each lane.
template <class T, class W>
PYRNN_INLINE Vec<T> add_product(Vec<T> a, Vec<T> b, Vec<T> sum) {
#if defined(__AVX512BF16__)
  if constexpr (kPairs<T, W>) return dot_of_pairs(a, b, sum);
#endif
  return fma(a, b, sum);
}

// One vector of B, of two rows of floats: pairs of their lanes, or the first row alone.
template <class T>
PYRNN_INLINE Vec<T> paired(Vec<T> first, [[maybe_unused]] Vec<T> second) {
#if defined(__AVX512BF16__)
  if constexpr (kPairs<T>) return pairs_of_lanes(first, second);
#endif
  return first;
}

#if defined(__AVX512BF16__)
// A row as pairs of neighbours.
PYRNN_INLINE void pair_row(const float* from, Index count, float* to) {
  constexpr Index L = kLanes<float>;
  Index k = 0;
  for (; k + 2 * L <= count; k += 2 * L) store(to + k / 2, pairs_of_neighbours(load(from + k), load(from + k + L)));
  const int left = static_cast<int>(count - k);
  if (left == 0) return;
  const Vec<float> first = left >= L ? load(from + k) : load_first(from + k, left);
  const Vec<float> second = left > L ? load_first(from + k + L, static_cast<int>(left - L)) : Vec<float>{};
  store_first(to + k / 2, pairs_of_neighbours(first, second), (left + 1) / 2);
}
#endif

// Rows as pairs of neighbours.
template <class T>
void pair_rows([[maybe_unused]] const NarrowRows<T>& q) noexcept {
#if defined(__AVX512BF16__)
  if constexpr (kPairs<T>)
    for (Index row = 0; row < q.rows; ++row)
      pair_row(q.from + row * q.from_row, q.columns, reinterpret_cast<T*>(q.to + row * q.to_row));
#endif
}

}  // namespace
}  // namespace pyrnn::kernels
