// SPDX-License-Identifier: Apache-2.0
// Numbers of float32 as bytes with a scale.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec_int8.h"

namespace pyrnn::kernels {
namespace {

// The scale of numbers of which `largest` is the largest magnitude.
PYRNN_INLINE float scale_of(float largest) { return largest / 127; }
// 1/scale, zero for numbers so small that it would be infinite.
PYRNN_INLINE float per_scale(float largest) { return largest < 0x1p-119f ? 0 : 127 / largest; }

__attribute__((noinline)) void narrow_rows(const NarrowRows<float>& q) noexcept {
  using V = Vec<float>;
  typedef std::int8_t Bytes __attribute__((vector_size(kLanes<float>), may_alias));
  constexpr Index L = kLanes<float>;
  constexpr float kRounds = 0x1.8p23f;  // added, it leaves an integer in the lowest bits
  for (Index row = 0; row < q.rows; ++row) {
    const float* from = q.from + row * q.from_row;
    Int8* to = q.to + row * q.to_row;
    const auto each = [&](auto&& f) __attribute__((always_inline)) {
      Index k = 0;
      for (; k + L <= q.columns; k += L) f(k, load(from + k));
      if (k < q.columns) f(k, load_first(from + k, static_cast<int>(q.columns - k)));
    };
    V most{}, invalid{};
    each([&](Index, V x) __attribute__((always_inline)) {
      most = at_least(most, (V)((Ints)x & 0x7fffffff));
      invalid += x - x;
    });
    float largest = 0, nothing = 0;
    for (Index i = 0; i < L; ++i) {
      largest = most[i] > largest ? most[i] : largest;
      nothing += invalid[i];
    }
    const V factor = broadcast(per_scale(largest));
    Ints negative{};
    each([&](Index k, V x) __attribute__((always_inline)) {
      const Bytes bytes = __builtin_convertvector((Ints)(x * factor + kRounds), Bytes);
      const Ints numbers = __builtin_convertvector(bytes, Ints);
      negative += numbers & (numbers < 0);
      const Index left = q.columns - k;
      if (left >= L)
        __builtin_memcpy(to + k, &bytes, L);
      else
        for (Index i = 0; i < round_up(left, kTogether<Int8>); ++i) to[k + i] = {bytes[i]};
    });
    std::int32_t negative_sum = 0;
    for (Index i = 0; i < L; ++i) negative_sum += negative[i];
    const float scale = scale_of(largest) + nothing;
    to += round_up(q.columns, kTogether<Int8>);
    __builtin_memcpy(to, &scale, sizeof scale);
    __builtin_memcpy(to + sizeof scale, &negative_sum, sizeof negative_sum);
  }
}

}  // namespace
}  // namespace pyrnn::kernels
