// SPDX-License-Identifier: Apache-2.0
// The probes of one instruction set: compiled once per set with the flags of the kernels, and like them in an
// anonymous namespace with one exported symbol.
#include "kernels/parts.h"
#include "probe.h"

#define PYRNN_JOIN_(a, b) a##b
#define PYRNN_JOIN(a, b) PYRNN_JOIN_(a, b)

namespace pyrnn::bench {
namespace {

using namespace pyrnn::kernels;

// Two units with a latency of four or five cycles are busy from ten chains on; 16 registers hold twelve.
constexpr int kChains = 12;

template <class T>
PYRNN_INLINE T sum_of(const Vec<T>* sums) {
  Vec<T> total = sums[0];
  unroll<kChains - 1>(PYRNN_UNROLLED(i) { total = total + sums[i + 1]; });
  return sum_of_lanes<T>(total);
}

template <class T>
T multiply_add(Index rounds) noexcept {
  // Every chain tends to 1: neither denormal nor infinite, however long it runs.
  Vec<T> sums[kChains], factor = broadcast(T(0.999)), step = broadcast(T(0.001));
  hold(factor);
  hold(step);
  unroll<kChains>(PYRNN_UNROLLED(i) { sums[i] = broadcast(T(i) / kChains); });
  for (Index round = 0; round < rounds; ++round)
    unroll<kChains>(PYRNN_UNROLLED(i) { sums[i] = fma(sums[i], factor, step); });
  return sum_of<T>(sums);
}

template <class T>
T read(const T* data, Index count, Index passes) noexcept {
  constexpr Index L = kLanes<T>, group = kChains * L;
  Vec<T> sums[kChains] = {};
  T rest = 0;
  for (Index pass = 0; pass < passes; ++pass) {
    Index i = 0;
    for (; i + group <= count; i += group)
      unroll<kChains>(PYRNN_UNROLLED(n) { sums[n] = sums[n] + load(data + i + n * L); });
    for (; i + L <= count; i += L) sums[0] = sums[0] + load(data + i);
    for (; i < count; ++i) rest += data[i];
  }
  return sum_of<T>(sums) + rest;
}

template <class T>
constexpr ProbeOf<T> probe_of_type() {
  return {.flops_of_round = 2.0 * kChains * kLanes<T>, .multiply_add = multiply_add<T>, .read = read<T>};
}

constexpr Probe kProbe = {.f32 = probe_of_type<float>(), .f64 = probe_of_type<double>()};

}  // namespace

extern "C" const Probe* PYRNN_JOIN(pyrnn_probe_, PYRNN_ISA)() noexcept { return &kProbe; }

}  // namespace pyrnn::bench
