// SPDX-License-Identifier: Apache-2.0
// exp, log, tanh and sigmoid of a vector. All paths use these, which have no branches, table look-ups or intrinsics.
//
// NaN stays NaN, saturation is exact, results too small to be normal numbers are 0 or denormal. The coefficients come
// from tools/fit_activations.py. Largest errors in ulp, over every float32 (exp), every one with |x| in [1e-30, 10]
// (tanh) and [1e-4, 20] (sigmoid), the rest sampled (log: 6 million, half of them near 1), and over 2.8 million
// float64; the second number is that of instruction sets without a fused multiply-add:
//
//            float32                            float64
//   exp      1.71, 1.59  (Cody-Waite, degree 6)   1.84, 1.69  (Cody-Waite, degree 11)
//   log      1.97, 1.97  (atanh, degree 9)        1.94, 1.94  (atanh, degree 19)
//   tanh     4.65, 4.91  (rational, 9 over 8)     2.57, 2.57  (by expm1)
//   sigmoid  1.63e-7, 1.74e-7 absolute (by tanh)  2.29, 2.30  (by exp)
#pragma once

#include "kernels/vec.h"

namespace pyrnn::kernels {
namespace {

// c[First] + c[First+1] x + ... + c[First+Count-1] x^(Count-1) by Estrin's scheme; powers = {x, x^2, x^4, x^8}. The
// shortest chain of dependent operations, which is what a gate waits for.
template <int First, int Count, class T, int N>
PYRNN_INLINE Vec<T> estrin(const T (&c)[N], const Vec<T> (&powers)[4]) {
  if constexpr (Count == 1) {
    return broadcast<T>(c[First]);
  } else {
    constexpr int level = Count > 8 ? 3 : Count > 4 ? 2 : Count > 2 ? 1 : 0;
    constexpr int half = 1 << level;
    return fma(estrin<First + half, Count - half>(c, powers), powers[level], estrin<First, half>(c, powers));
  }
}
template <class T, int N>
PYRNN_INLINE Vec<T> polynomial(const T (&c)[N], Vec<T> x) {
  const Vec<T> x2 = x * x, x4 = x2 * x2;
  return estrin<0, N>(c, {x, x2, x4, x4 * x4});
}

template <class T>
constexpr Bit<T> kSignBit = Bit<T>(1) << (8 * sizeof(T) - 1);

template <class T>
PYRNN_INLINE Vec<T> magnitude(Vec<T> x) {
  return (Vec<T>)((Bits<T>)x & ~kSignBit<T>);
}
template <class T>
PYRNN_INLINE Vec<T> with_sign_of(Vec<T> sign, Vec<T> magnitude) {
  return (Vec<T>)(((Bits<T>)sign & kSignBit<T>) | (Bits<T>)magnitude);
}

// x = n ln 2 + r with 0 <= r < ln 2; exp(x) = 2^n (1 + expm1(r)).
template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr float kLowest = -88.0f, kHighest = 89.0f;  // 2^n is 0 below -87.3, inf above 88.7
  static constexpr float kHalf = 0x1.fffffep-2f;  // 1/2, less an ulp: a tiny x > 0 must get n = 0
  static constexpr float kLog2E = 0x1.715474p+0f;  // rounded down: at both ends of the range n must not be too small
  static constexpr float kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;  // n * kLn2High is exact
  static constexpr float kRound = 0x1.8p23f + 127.0f;  // adding it rounds to an integer and adds the exponent's bias
  static constexpr int kMantissaBits = 23;
  static constexpr float kExpm1[] = {5.00000894e-01f, 1.66647688e-01f, 4.17948589e-02f, 7.96255469e-03f,
                                     1.86042173e-03f};
};
template <>
struct ExpConstants<double> {
  static constexpr double kLowest = -709.0, kHighest = 710.0;
  static constexpr double kHalf = 0x1.fffffffffffffp-2;
  static constexpr double kLog2E = 0x1.71547652b82fdp+0;
  static constexpr double kLn2High = 0x1.62e42fefa3000p-1, kLn2Low = 0x1.3de6af278ece6p-42;
  static constexpr double kRound = 0x1.8p52 + 1023.0;
  static constexpr int kMantissaBits = 52;
  static constexpr double kExpm1[] = {4.9999999999999512e-01, 1.6666666666701668e-01, 4.1666666658021267e-02,
                                      8.3333334386525449e-03, 1.3888881544668042e-03, 1.9841585335128277e-04,
                                      2.4792965159517052e-05, 2.7707219236269187e-06, 2.5961475346066238e-07,
                                      3.4373129212572260e-08};
};

template <class T>
struct ExpParts {
  Vec<T> power;  // 2^n; 0 and inf where exp is
  Vec<T> expm1_r;  // in [0, 1)
};

// x must be within [kLowest, kHighest]. Rounding n down rather than to the nearest lets the exponent's field alone
// give underflow and overflow.
template <class T>
PYRNN_INLINE ExpParts<T> exp_parts(Vec<T> x) {
  using C = ExpConstants<T>;
  const Vec<T> rounded = fma(x, broadcast<T>(C::kLog2E), broadcast<T>(-C::kHalf)) + C::kRound;
  const Vec<T> n = rounded - C::kRound;
  const Vec<T> r = fma(n, broadcast<T>(-C::kLn2Low), fma(n, broadcast<T>(-C::kLn2High), x));
  return {(Vec<T>)((Bits<T>)rounded << C::kMantissaBits), fma(polynomial(C::kExpm1, r), r * r, r)};
}

template <class T>
PYRNN_INLINE Vec<T> exp_of(Vec<T> x) {
  using C = ExpConstants<T>;
  const ExpParts<T> e = exp_parts<T>(at_most(broadcast<T>(C::kHighest), at_least(broadcast<T>(C::kLowest), x)));
  return (e.expm1_r + T(1)) * e.power;
}
PYRNN_INLINE Vec<float> vexp(Vec<float> x) { return exp_of<float>(x); }
PYRNN_INLINE Vec<double> vexp(Vec<double> x) { return exp_of<double>(x); }

// x = 2^n m with m in [sqrt(1/2), sqrt(2)); with f = (m - 1) / (m + 1), log(m) = 2 (f + f^3/3 + f^5/5 + ...).
template <class T>
struct LogConstants;
template <>
struct LogConstants<float> {
  static constexpr float kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;  // n * kLn2High is exact
  static constexpr float kCount = 0x1.8p23f, kBias = 127.0f;  // kCount's last bits count integers
  static constexpr int kMantissaBits = 23;
  static constexpr float kSeries[] = {2.0f / 3, 2.0f / 5, 2.0f / 7, 2.0f / 9};
};
template <>
struct LogConstants<double> {
  static constexpr double kLn2High = 0x1.62e42fefa3000p-1, kLn2Low = 0x1.3de6af278ece6p-42;
  static constexpr double kCount = 0x1.8p52, kBias = 1023.0;
  static constexpr int kMantissaBits = 52;
  static constexpr double kSeries[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9, 2.0 / 11,
                                       2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19};
};

// log(0) is -inf, of less NaN; denormal x count as 0.
template <class T>
PYRNN_INLINE Vec<T> log_of(Vec<T> x) {
  using C = LogConstants<T>;
  const Vec<T> root = broadcast<T>(T(0x1.6a09e667f3bcdp+0));
  const Bits<T> one = (Bits<T>)broadcast<T>(1), mantissa = (Bit<T>(1) << C::kMantissaBits) - 1 - Bits<T>{};
  const Vec<T> from_one = (Vec<T>)(((Bits<T>)x & mantissa) | one);  // in [1, 2)
  const Bits<T> large = from_one > root;
  const Vec<T> m = large ? from_one * T(0.5) : from_one;
  const Bits<T> exponent = ((Bits<T>)x >> C::kMantissaBits) - large;  // a true comparison is -1
  const Vec<T> n = (Vec<T>)(exponent + (Bits<T>)broadcast(C::kCount)) - (C::kCount + C::kBias);
  const Vec<T> f = (m - T(1)) / (m + T(1)), f2 = f * f;
  const Vec<T> tail = fma(f2 * f, polynomial(C::kSeries, f2), n * C::kLn2Low);
  const Vec<T> log = fma(n, broadcast(C::kLn2High), f + f + tail);
  const T inf = static_cast<T>(__builtin_inf());
  const Vec<T> beyond = x == 0 ? broadcast<T>(-inf) : broadcast(static_cast<T>(__builtin_nan("")));
  return x > 0 ? (x < inf ? log : x) : beyond;
}
PYRNN_INLINE Vec<float> vlog(Vec<float> x) { return log_of<float>(x); }
PYRNN_INLINE Vec<double> vlog(Vec<double> x) { return log_of<double>(x); }

// tanh(a) = a P(a^2) / Q(a^2), a = |x|, P and Q of degree 4. Beyond 9 the quotient exceeds 1, where the bound on the
// numerator makes it exactly 1. In the order of evaluation nothing waits for what the sums do not wait for.
PYRNN_INLINE Vec<float> vtanh(Vec<float> x) {
  constexpr float p[] = {1.20178735e+00f, 1.61146373e-01f, 4.24078340e-03f, 2.54273928e-05f, 1.69776584e-08f};
  constexpr float q[] = {1.20178735e+00f, 5.61742008e-01f, 3.12500037e-02f, 4.01391997e-04f, 9.72229827e-07f};
  const Vec<float> a = at_most(broadcast(9.5f), magnitude<float>(x));
  const Vec<float> u = a * a, u2 = u * u;
  const Vec<float> p01 = fma(u, broadcast(p[1]), broadcast(p[0])), p23 = fma(u, broadcast(p[3]), broadcast(p[2]));
  const Vec<float> q01 = fma(u, broadcast(q[1]), broadcast(q[0])), q23 = fma(u, broadcast(q[3]), broadcast(q[2]));
  const Vec<float> numerator = fma(a * u2, fma(u2, broadcast(p[4]), p23), a * p01);
  const Vec<float> denominator = fma(u2, fma(u2, broadcast(q[4]), q23), q01);
  return with_sign_of<float>(x, at_most(denominator, numerator) / denominator);
}

// tanh(a) = E / (E + 2), E = expm1(2a) = 2^n expm1(r) + (2^n - 1): no term cancels another.
PYRNN_INLINE Vec<double> vtanh(Vec<double> x) {
  const Vec<double> a = at_most(broadcast(20.0), magnitude<double>(x));
  const ExpParts<double> e = exp_parts<double>(a + a);
  const Vec<double> expm1 = fma(e.power, e.expm1_r, e.power - 1.0);
  return with_sign_of<double>(x, expm1 / (expm1 + 2.0));
}

PYRNN_INLINE Vec<float> vsigmoid(Vec<float> x) { return fma(vtanh(x * 0.5f), broadcast(0.5f), broadcast(0.5f)); }
PYRNN_INLINE Vec<double> vsigmoid(Vec<double> x) { return 1.0 / (vexp(-x) + 1.0); }

// Lane by lane; the compiler makes the one instruction of it.
template <class V>
PYRNN_INLINE V vsqrt(V x) {
  V root;
  for (unsigned i = 0; i < sizeof(V) / sizeof(x[0]); ++i) {
    if constexpr (sizeof(x[0]) == 4)
      root[i] = __builtin_sqrtf(x[i]);
    else
      root[i] = __builtin_sqrt(x[i]);
  }
  return root;
}

}  // namespace
}  // namespace pyrnn::kernels
