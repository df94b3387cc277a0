// SPDX-License-Identifier: Apache-2.0
// What packed weights are kept as, and what is multiplied with them.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/dims.h"

namespace pyrnn::kernels {

// T is what the arithmetic is in, W what packed weights are kept as: the same, or in inference a narrower type, an
// instance of the same product with widen() and narrow() of its own (product.h, pack.h).

// bfloat16: the upper half of a float.
struct Bf16 {
  std::uint16_t bits;
};

// A number of -127 to 127 that a scale makes one of float32: of a weight that of its unit and gate, of x or h that of
// its row.
struct Int8 {
  std::int8_t value;
};

// So many k that sums of their products, and those of Dots<true> (vec_int8.h), fit 32 bits.
constexpr Index kMostOfInt8 = 65536;

// Packed weights have the terms of so many k of a column side by side, [k/together][column][together], where a vector
// of them holds more elements than one of T.
template <class W>
constexpr int kTogether = 1;
template <>
inline constexpr int kTogether<Bf16> = 2;
template <>
inline constexpr int kTogether<Int8> = 4;

// The k of a panel with those that fill the last group up. A panel of Int8, in which these are zero, ends with the
// columns' scales, float, and the sums of their numbers, int32.
template <class W>
PYRNN_ALWAYS_INLINE constexpr Index packed_columns(Index columns) {
  return round_up(columns, kTogether<W>) + (std::is_same_v<W, Int8> ? 8 : 0);
}

// What is multiplied with packed weights: rows of T, or beside Int8 the row's numbers in whole groups, then its scale,
// float, and the sum of its negative numbers, int32.
template <class W>
constexpr bool kLeftIsNarrow = std::is_same_v<W, Int8>;
template <class T, class W>
using Left = std::conditional_t<kLeftIsNarrow<W>, Int8, T>;
// Rows of it, `row` apart; `paired`: numbers of bfloat16, two in the place of a T (pairs.h).
template <class T, class W>
struct LeftRows {
  const Left<T, W>* rows;
  Index row;
  bool paired = false;
  LeftRows from(Index first) const { return {rows + first * row, row, paired}; }
};
// Bytes of such a row of pairs: whole vectors.
PYRNN_ALWAYS_INLINE constexpr Index paired_bytes(Index columns, Index lanes) {
  return round_up(columns, 2 * lanes) * 2;
}
template <class W>
PYRNN_ALWAYS_INLINE constexpr Index left_columns(Index columns) {
  return kLeftIsNarrow<W> ? round_up(columns, kTogether<W>) + 8 : columns;
}

}  // namespace pyrnn::kernels
