// SPDX-License-Identifier: Apache-2.0
// Dropout masks from Philox4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011): a unit's mask follows from its place, not from the thread or the order of the calls.
#pragma once

#include "kernels/elementwise_kernels.h"
#include "kernels/parts.h"

namespace pyrnn::kernels {
namespace {

constexpr int kCounters = 16;  // counters at a time; loops over them are the compiler's to vectorise

// Word w of counter i is words[4*i + w]: four consecutive units per counter.
__attribute__((noinline)) void philox(std::uint64_t key, std::uint32_t first_counter, std::uint32_t row,
                                      std::uint32_t time, std::uint32_t (&words)[4 * kCounters]) {
  std::uint32_t a[kCounters], b[kCounters], c[kCounters], d[kCounters];
  for (int i = 0; i < kCounters; ++i) {
    a[i] = first_counter + static_cast<std::uint32_t>(i);
    b[i] = row;
    c[i] = time;
    d[i] = 0;
  }
  auto key_low = static_cast<std::uint32_t>(key), key_high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round, key_low += 0x9E3779B9u, key_high += 0xBB67AE85u) {
#pragma GCC unroll 1  // unrolled, or inlined below, it would not be vectorised and take four times as long
    for (int i = 0; i < kCounters; ++i) {
      const std::uint64_t left = std::uint64_t{0xD2511F53u} * a[i], right = std::uint64_t{0xCD9E8D57u} * c[i];
      a[i] = static_cast<std::uint32_t>(right >> 32) ^ b[i] ^ key_low;
      b[i] = static_cast<std::uint32_t>(right);
      c[i] = static_cast<std::uint32_t>(left >> 32) ^ d[i] ^ key_high;
      d[i] = static_cast<std::uint32_t>(left);
    }
  }
  for (int i = 0; i < kCounters; ++i) {
    words[4 * i] = a[i];
    words[4 * i + 1] = b[i];
    words[4 * i + 2] = c[i];
    words[4 * i + 3] = d[i];
  }
}

template <class T>
void dropout_row(const DropoutRow<T>& q) noexcept {
  constexpr Index kUnits = 4 * kCounters;
  const std::uint32_t drop_below = q.drop_below;
  const T scale = q.scale;
  for (Index unit = 0; unit < q.units; unit += kUnits) {
    std::uint32_t words[kUnits];
    philox(q.key, static_cast<std::uint32_t>(unit / 4), q.row, q.time, words);
    alignas(kVectorBytes) T factor[kUnits];
    for (int i = 0; i < kUnits; ++i) factor[i] = words[i] >= drop_below ? scale : T(0);
    for_each_part<T>(smaller(kUnits, q.units - unit), [&](Index i, auto part) __attribute__((always_inline)) {
      part.store(q.y + unit + i, part.load(q.x + unit + i) * load(factor + i));
    });
  }
}

}  // namespace
}  // namespace pyrnn::kernels
