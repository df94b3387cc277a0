// SPDX-License-Identifier: Apache-2.0
// Products of bytes, four to a lane of 32 bits: what vec.h is for floats.
//
// Sums of integers are exact, so that every instruction set gives the same bits, whatever instructions it has.
#pragma once

#include "kernels/packed_types.h"
#include "kernels/vec.h"

namespace pyrnn::kernels {
namespace {

using Ints = Bits<float>;
PYRNN_INLINE Ints load(const Int8* p) { return (Ints)load(reinterpret_cast<const float*>(p)); }

// Whether this CPU has VNNI, one instruction for all of Dots::add, which no set of ours promises
// (core/runtime/isa.cpp).
bool has_vnni = false;

// add: sum += x0 w0 + x1 w1 + x2 w2 + x3 w3 in each lane, with the same four bytes of x in all lanes. What instructions
// without signs add to that is known, and taken off once: `column` times the sum of the column's w, and `row` times the
// sum of the row's negative x.
template <bool Vnni>
struct Dots;

#if defined(__AVX2__)
// Its bytes of x have no sign: they are taken as x + 128.
template <>
struct Dots<true> {
  static constexpr int column = 128, row = 0;
  Ints x;
  Dots() = default;
  explicit PYRNN_INLINE Dots(std::int32_t four) : x(Ints{} + (four ^ static_cast<std::int32_t>(0x80808080))) {}
  // As text: the flags of this file do not allow it, and only a CPU that has it comes here.
  PYRNN_INLINE void add(Ints& sum, Ints w) const {
#if defined(__AVX512F__)
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
#else
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
#endif
  }
};
#endif

#if defined(__AVX2__)
// Sums of four products of bytes, those of `size` without a sign.
PYRNN_INLINE Ints sums_of_four(Ints size, Ints w) {
#if defined(__AVX512F__)
  return (Ints)_mm512_madd_epi16(_mm512_maddubs_epi16((__m512i)size, (__m512i)w), _mm512_set1_epi16(1));
#else
  return (Ints)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)size, (__m256i)w), _mm256_set1_epi16(1));
#endif
}
#endif

template <>
struct Dots<false> {
  Dots() = default;
#if defined(__AVX2__)
  // Bytes of x have no sign here, either: |x|, and beside a negative x the complement of w, -w - 1, since every unit
  // can make it and few can make -w. A pair of products, each of at most 127*128, fits 16 bits.
  static constexpr int column = 0, row = 1;
  Ints negative, size;
  explicit PYRNN_INLINE Dots(std::int32_t four) {
    typedef std::int8_t Bytes __attribute__((vector_size(kVectorBytes), may_alias));
    const auto x = (Bytes)(Ints{} + four), below_zero = (Bytes)(x < 0);
    negative = (Ints)below_zero;
    size = (Ints)((x ^ below_zero) - below_zero);
  }
  PYRNN_INLINE void add(Ints& sum, Ints w) const { sum += sums_of_four(size, w ^ negative); }
#elif defined(__x86_64__)
  static constexpr int column = 0, row = 0;
  // As numbers of 16 bits, which are multiplied and added in pairs.
  __m128i x;
  explicit PYRNN_INLINE Dots(std::int32_t four) : x(widened(_mm_unpacklo_epi8(__m128i{}, _mm_set1_epi32(four)))) {}
  PYRNN_INLINE void add(Ints& sum, Ints w) const {
    const __m128 low = (__m128)_mm_madd_epi16(x, widened(_mm_unpacklo_epi8(__m128i{}, (__m128i)w)));
    const __m128 high = (__m128)_mm_madd_epi16(x, widened(_mm_unpackhi_epi8(__m128i{}, (__m128i)w)));
    sum += (Ints)_mm_shuffle_ps(low, high, 0x88) + (Ints)_mm_shuffle_ps(low, high, 0xdd);
  }
  static PYRNN_INLINE __m128i widened(__m128i upper_bytes) { return _mm_srai_epi16(upper_bytes, 8); }
#elif defined(__aarch64__)
  static constexpr int column = 0, row = 0;
  int8x8_t x;
  explicit PYRNN_INLINE Dots(std::int32_t four) : x(vreinterpret_s8_s32(vdup_n_s32(four))) {}
  PYRNN_INLINE void add(Ints& sum, Ints w) const {
    const int8x16_t bytes = vreinterpretq_s8_s32((int32x4_t)w);
    const int32x4_t low = vpaddlq_s16(vmull_s8(x, vget_low_s8(bytes)));
    const int32x4_t high = vpaddlq_s16(vmull_s8(x, vget_high_s8(bytes)));
    sum += (Ints)vpaddq_s32(low, high);
  }
#else
  static constexpr int column = 0, row = 0;
  Ints x[4];
  explicit PYRNN_INLINE Dots(std::int32_t four) {
    unroll<4>(PYRNN_UNROLLED(k) { x[k] = byte<k>(Ints{} + four); });
  }
  PYRNN_INLINE void add(Ints& sum, Ints w) const {
    unroll<4>(PYRNN_UNROLLED(k) { sum += x[k] * byte<k>(w); });
  }
  template <int k>
  static PYRNN_INLINE Ints byte(Ints bytes) {
    return bytes << (24 - 8 * k) >> 24;
  }
#endif
};

// Calls f with the Dots that this CPU takes.
template <class F>
PYRNN_INLINE void with_dots(F&& f) {
#if defined(__AVX2__)
  if (has_vnni) return f(Dots<true>());
#endif
  f(Dots<false>());
}

}  // namespace
}  // namespace pyrnn::kernels
