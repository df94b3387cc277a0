// SPDX-License-Identifier: Apache-2.0
// A number that tells whether bytes have changed: they are read once, which is faster than comparing them with a copy.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pyrnn::kernels {
namespace {

typedef std::uint64_t Words __attribute__((vector_size(kVectorBytes)));
typedef std::uint64_t UnalignedWords __attribute__((vector_size(kVectorBytes), aligned(1), may_alias));

// One-to-one for each word and for each state. A product leaves high bits high: the shift takes them to low bits of a
// mantissa, where a change of signs or exponents in the next words does not cancel them.
PYRNN_INLINE Words mix(Words state, Words words) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio
  const Words product = (state ^ words) * kOdd;
  return product ^ (product >> 29);
}

inline std::uint64_t fingerprint(const void* data, Index bytes, std::uint64_t seed) noexcept {
  constexpr int kChains = 8;  // hide the latency of the product
  constexpr Index kBlock = kChains * kVectorBytes;
  Words state[kChains];
  for (int i = 0; i < kChains; ++i) state[i] = mix(Words{} + seed, Words{} + static_cast<std::uint64_t>(i));
  const auto take = [&](const void* block) __attribute__((always_inline)) {
    const auto* const words = static_cast<const UnalignedWords*>(block);
    unroll<kChains>(PYRNN_UNROLLED(i) { state[i] = mix(state[i], words[i]); });
  };
  const auto* at = static_cast<const char*>(data);
  Index left = bytes;
  for (; left >= kBlock; left -= kBlock, at += kBlock) take(at);
  if (left > 0) {
    Words last[kChains] = {};
    std::memcpy(last, at, static_cast<std::size_t>(left));
    take(last);
  }
  Words result = mix(Words{} + seed, Words{} + static_cast<std::uint64_t>(bytes));
  for (const Words& chain : state) result = mix(result, chain);
  std::uint64_t all = 0;
  for (int j = 0; j < kVectorBytes / 8; ++j) all = mix(Words{} + all, Words{} + result[j])[0];
  return all;
}

}  // namespace
}  // namespace pyrnn::kernels
