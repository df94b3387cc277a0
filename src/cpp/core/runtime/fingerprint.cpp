// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/fingerprint.h"

#include <array>
#include <bit>
#include <cstring>

namespace pyrnn {
namespace {

constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio

// One-to-one for each word and for each state. The rotation brings high bits down, which a product leaves high.
std::uint64_t mix(std::uint64_t state, std::uint64_t word) {
  std::uint64_t product = (state ^ word) * kOdd;
#if defined(__GNUC__)
  asm("" : "+r"(product));  // not in a vector, whose product of 64 bits takes three of 32
#endif
  return std::rotl(product, 29);
}

}  // namespace

std::uint64_t fingerprint(const void* data, std::size_t bytes, std::uint64_t seed) noexcept {
  constexpr std::size_t kLanes = 8;  // hide the latency of the product
  std::array<std::uint64_t, kLanes> state, words;
  for (std::size_t i = 0; i < kLanes; ++i) state[i] = mix(seed, i);
  const auto* at = static_cast<const char*>(data);
  std::size_t left = bytes;
  for (; left >= sizeof words; left -= sizeof words, at += sizeof words) {
    std::memcpy(words.data(), at, sizeof words);
    for (std::size_t i = 0; i < kLanes; ++i) state[i] = mix(state[i], words[i]);
  }
  words.fill(0);
  if (left > 0) std::memcpy(words.data(), at, left);
  std::uint64_t result = mix(seed, bytes);
  for (std::size_t i = 0; i < kLanes; ++i) result = mix(result, mix(state[i], words[i]));
  return result;
}

}  // namespace pyrnn
