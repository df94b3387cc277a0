// SPDX-License-Identifier: Apache-2.0
// One SIMD vector of the instruction set that this file is compiled for.
//
// Vec<T> is a GNU vector: + - * / and comparisons are the language's. This file adds what the language lacks, and only
// this file has intrinsics. Everything is in an anonymous namespace: a function compiled for AVX-512 must never be
// linked in place of baseline code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define PYRNN_INLINE inline __attribute__((always_inline))

namespace pyrnn::kernels {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kRegisters = 32;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
constexpr int kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kVectorBytes = 16;
constexpr int kRegisters = 32;
#else
constexpr int kVectorBytes = 16;
constexpr int kRegisters = 16;
#endif

template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
struct VecOf;
template <>
struct VecOf<float> {
  typedef float type __attribute__((vector_size(kVectorBytes)));
  typedef float unaligned __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
  typedef std::int32_t bits __attribute__((vector_size(kVectorBytes)));
  typedef std::int32_t bit;
};
template <>
struct VecOf<double> {
  typedef double type __attribute__((vector_size(kVectorBytes)));
  typedef double unaligned __attribute__((vector_size(kVectorBytes), aligned(8), may_alias));
  typedef std::int64_t bits __attribute__((vector_size(kVectorBytes)));
  typedef std::int64_t bit;
};

template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
using Bits = typename VecOf<T>::bits;
template <class T>
using Bit = typename VecOf<T>::bit;

// Calls f(integral_constant<0>) ... f(integral_constant<N-1>): unrolled at compile time, because a plain loop over an
// array of accumulators spills them.
template <int... I, class F>
PYRNN_INLINE void unroll_indices(std::integer_sequence<int, I...>, F&& f) {
  (f(std::integral_constant<int, I>{}), ...);
}
template <int N, class F>
PYRNN_INLINE void unroll(F&& f) {
  unroll_indices(std::make_integer_sequence<int, N>{}, f);
}
#define PYRNN_UNROLLED(i) [&](auto i) __attribute__((always_inline))

template <class T>
PYRNN_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VecOf<T>::unaligned*>(p);
}
template <class T>
PYRNN_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VecOf<T>::unaligned*>(p) = v;
}
template <class T>
PYRNN_INLINE Vec<T> broadcast(T a) {
  return a - Vec<T>{};  // not a + 0: that would turn -0 into +0
}

#if defined(__AVX__) && !defined(__AVX512F__)
// Lanes below n: a window into ones and zeros.
template <class T>
constexpr Bit<T> kLaneMask[2 * kLanes<T>] = {};
template <>
constexpr std::int32_t kLaneMask<float>[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
template <>
constexpr std::int64_t kLaneMask<double>[8] = {-1, -1, -1, -1};
template <class T>
PYRNN_INLINE __m256i lane_mask(int n) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLaneMask<T> + kLanes<T> - n));
}
#endif

// The first n lanes (0 < n <= lanes); the others are zero, and their memory is not touched.
template <class T>
PYRNN_INLINE Vec<T> load_first(const T* p, int n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
  else
    return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1), p);
#elif defined(__AVX__)
  if constexpr (sizeof(T) == 4)
    return _mm256_maskload_ps(p, lane_mask<T>(n));
  else
    return _mm256_maskload_pd(p, lane_mask<T>(n));
#else
  alignas(kVectorBytes) T lanes[kLanes<T>] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
#endif
}
template <class T>
PYRNN_INLINE void store_first(T* p, Vec<T> v, int n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
  else
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << n) - 1), v);
#elif defined(__AVX__)
  if constexpr (sizeof(T) == 4)
    _mm256_maskstore_ps(p, lane_mask<T>(n), v);
  else
    _mm256_maskstore_pd(p, lane_mask<T>(n), v);
#else
  alignas(kVectorBytes) T lanes[kLanes<T>];
  store(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
#endif
}

// The intrinsic of this instruction set for both element types; a GNU vector converts to and from __m512 and the like.
#if defined(__AVX512F__)
#define PYRNN_X86(operation, type) _mm512_##operation##_p##type
#elif defined(__AVX__)
#define PYRNN_X86(operation, type) _mm256_##operation##_p##type
#elif defined(__x86_64__)
#define PYRNN_X86(operation, type) _mm_##operation##_p##type
#endif

// a*b + c in one rounding where the instruction set has it: the only fused multiply-add (-ffp-contract=off).
#if defined(__FMA__)
PYRNN_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return PYRNN_X86(fmadd, s)(a, b, c); }
PYRNN_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return PYRNN_X86(fmadd, d)(a, b, c); }
#elif defined(__aarch64__)
PYRNN_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return vfmaq_f32(c, a, b); }
PYRNN_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return vfmaq_f64(c, a, b); }
#else
template <class V>
PYRNN_INLINE V fma(V a, V b, V c) {
  return a * b + c;
}
#endif

// min(bound, x) and max(bound, x) that keep a NaN in x: x86 returns its second operand then. (gcc makes minps of
// a < b ? a : b only under -ffast-math.)
#if defined(__x86_64__)
PYRNN_INLINE Vec<float> at_most(Vec<float> bound, Vec<float> x) { return PYRNN_X86(min, s)(bound, x); }
PYRNN_INLINE Vec<double> at_most(Vec<double> bound, Vec<double> x) { return PYRNN_X86(min, d)(bound, x); }
PYRNN_INLINE Vec<float> at_least(Vec<float> bound, Vec<float> x) { return PYRNN_X86(max, s)(bound, x); }
PYRNN_INLINE Vec<double> at_least(Vec<double> bound, Vec<double> x) { return PYRNN_X86(max, d)(bound, x); }
#elif defined(__aarch64__)
PYRNN_INLINE Vec<float> at_most(Vec<float> bound, Vec<float> x) { return vminq_f32(bound, x); }
PYRNN_INLINE Vec<double> at_most(Vec<double> bound, Vec<double> x) { return vminq_f64(bound, x); }
PYRNN_INLINE Vec<float> at_least(Vec<float> bound, Vec<float> x) { return vmaxq_f32(bound, x); }
PYRNN_INLINE Vec<double> at_least(Vec<double> bound, Vec<double> x) { return vmaxq_f64(bound, x); }
#else
template <class V>
PYRNN_INLINE V at_most(V bound, V x) {
  return bound < x ? bound : x;
}
template <class V>
PYRNN_INLINE V at_least(V bound, V x) {
  return bound > x ? bound : x;
}
#endif

// Lanes of a and b interleaved: the first halves of both, or the second ones.
template <class T, int First, int... I>
PYRNN_INLINE Vec<T> interleave(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, (First + I / 2 + (I % 2) * kLanes<T>)...);
#else
  return __builtin_shuffle(a, b, Bits<T>{(First + I / 2 + (I % 2) * kLanes<T>)...});
#endif
}

#if defined(__AVX512BF16__)
// Pairs of numbers that are rounded to bfloat16 (to the nearest, of two the even one), each pair in a lane: neighbours,
// of the lanes of `first` and then of `second` ...
PYRNN_INLINE Vec<float> pairs_of_neighbours(Vec<float> first, Vec<float> second) {
  return (Vec<float>)_mm512_cvtne2ps_pbh(second, first);
}
// ... or the same lane of both.
PYRNN_INLINE Vec<float> pairs_of_lanes(Vec<float> first, Vec<float> second) {
  typedef std::int16_t Halves __attribute__((vector_size(kVectorBytes)));
  constexpr Halves kOrder = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                             8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return (Vec<float>)_mm512_permutexvar_epi16((__m512i)kOrder, (__m512i)pairs_of_neighbours(first, second));
}
// sum + the products of two pairs. Denormals are zero to it, whatever the floating-point environment says.
PYRNN_INLINE Vec<float> dot_of_pairs(Vec<float> a, Vec<float> b, Vec<float> sum) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
#endif

// Rows become columns. Each stage interleaves the two halves of the rows, as cards are shuffled; after log2(lanes)
// stages each element is in its place.
template <class T>
PYRNN_INLINE void transpose(Vec<T> (&rows)[kLanes<T>]) {
  constexpr int L = kLanes<T>;
  constexpr auto lanes = std::make_integer_sequence<int, L>{};
  for (int stage = 1; stage < L; stage *= 2) {
    Vec<T> dealt[L];
    unroll<L / 2>(PYRNN_UNROLLED(i) {
      dealt[2 * i] = interleave<T, 0>(rows[i], rows[i + L / 2], lanes);
      dealt[2 * i + 1] = interleave<T, L / 2>(rows[i], rows[i + L / 2], lanes);
    });
    unroll<L>(PYRNN_UNROLLED(i) { rows[i] = dealt[i]; });
  }
}

// Into the second-level cache.
template <class T>
PYRNN_INLINE void prefetch(const T* p) {
  __builtin_prefetch(p, 0, 2);
}

// The compiler would fold a load into every fma that uses it; held in a register it is read once (77 -> 96 % of peak).
template <class V>
PYRNN_INLINE void hold([[maybe_unused]] V& v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
}

// What v is used for ends here, and v is still what it was: sums then stay in the registers where they are, instead of
// going on in that of a factor, which costs moves and, where registers are short, memory.
template <class V>
PYRNN_INLINE void keep([[maybe_unused]] const V& v) {
#if defined(__AVX512F__)
  asm volatile("" : : "v"(v));
#elif defined(__x86_64__)
  asm volatile("" : : "x"(v));
#elif defined(__aarch64__)
  asm volatile("" : : "w"(v));
#endif
}

}  // namespace
}  // namespace pyrnn::kernels
