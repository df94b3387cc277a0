// SPDX-License-Identifier: Apache-2.0
// What a machine can do at best, per instruction set: multiply and add in registers (kernels/peak.h), and read from its
// caches.
#pragma once

#include <string_view>

#include "core/dims.h"

namespace pyrnn::bench {

// Sums the whole of `data` in each pass, and returns the sum, so that no compiler can leave the work out.
template <class T>
using Read = T (*)(const T* data, Index count, Index passes) noexcept;

struct Probe {
  Read<float> f32;
  Read<double> f64;
};

template <class T>
Read<T> of_type(const Probe& probe) {
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
