// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/peak.h"

#include <atomic>
#include <chrono>

#include "core/runtime/isa.h"
#include "core/runtime/parallel.h"

namespace pyrnn {

double peak_flops(int threads, double seconds) noexcept {
  using Clock = std::chrono::steady_clock;
  constexpr Index kRounds = 2000;  // between two looks at the clock: about 10 us
  const kernels::Peak<float>& peak = active_kernels().f32.peak;
  std::atomic<double> total{0};
  parallel(threads, nullptr, [&](int, Team& team) noexcept {
    team.barrier();  // all members are awake
    const auto start = Clock::now();
    double done = 0, passed = 0;
    while (passed < seconds) {
      peak.multiply_add(kRounds);
      done += peak.flops_of_round * kRounds;
      passed = std::chrono::duration<double>(Clock::now() - start).count();
    }
    total.fetch_add(done / passed);
  });
  return total;
}

}  // namespace pyrnn
