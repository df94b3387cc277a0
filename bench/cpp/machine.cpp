// SPDX-License-Identifier: Apache-2.0
// The probe of one instruction set: compiled once per set with the flags of the kernels, and like them in an
// anonymous namespace with one exported symbol.
#include "kernels/parts.h"
#include "probe.h"

#define PYRNN_JOIN_(a, b) a##b
#define PYRNN_JOIN(a, b) PYRNN_JOIN_(a, b)

namespace pyrnn::bench {
namespace {

using namespace pyrnn::kernels;

constexpr int kChains = 12;  // of sums: as many as hide an addition's latency, and as registers hold

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
  unroll<kChains - 1>(PYRNN_UNROLLED(n) { sums[0] = sums[0] + sums[n + 1]; });
  return sum_of_lanes<T>(sums[0]) + rest;
}

constexpr Probe kProbe = {.f32 = read<float>, .f64 = read<double>};

}  // namespace

extern "C" const Probe* PYRNN_JOIN(pyrnn_probe_, PYRNN_ISA)() noexcept { return &kProbe; }

}  // namespace pyrnn::bench
