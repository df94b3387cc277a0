// SPDX-License-Identifier: Apache-2.0
// What a machine can do at best, per instruction set: multiply and add in registers, and read from its caches.
#pragma once

#include <string_view>

#include "core/dims.h"

namespace pyrnn::bench {

// Both return the sum of what they computed, so that no compiler can leave the work out.
template <class T>
struct ProbeOf {
  double flops_of_round;
  T (*multiply_add)(Index rounds) noexcept;                       // independent chains of full vectors
  T (*read)(const T* data, Index count, Index passes) noexcept;  // sums the whole of `data` in each pass
};

struct Probe {
  ProbeOf<float> f32;
  ProbeOf<double> f64;
};

template <class T>
const ProbeOf<T>& of_type(const Probe& probe) {
  if constexpr (sizeof(T) == 4)
    return probe.f32;
  else
    return probe.f64;
}

// Throws std::invalid_argument when `isa` was not built or this CPU lacks it.
const Probe& probe_of(std::string_view isa);

// The command `probe`: answers each line "r" of standard input with the rates of `threads` threads at work together,
// each pinned to a CPU of its own and reading its share of `bytes`. Returns at the end of the input.
template <class T>
void serve_probe(const Probe& probe, Index bytes, Index threads);

}  // namespace pyrnn::bench
