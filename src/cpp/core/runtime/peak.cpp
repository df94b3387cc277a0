// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/peak.h"

#include <atomic>
#include <chrono>

#include "core/runtime/isa.h"
#include "core/runtime/parallel.h"

namespace pyrnn {

template <class T>
double peak_of_thread(double seconds) noexcept {
  using Clock = std::chrono::steady_clock;
  constexpr Index kRounds = 2000;  // between two looks at the clock: about 10 us
  const kernels::Peak<T>& peak = kernels::of_type<T>(active_kernels()).peak;
  const auto start = Clock::now();
  double done = 0, passed = 0;
  while (passed < seconds) {
    peak.multiply_add(kRounds);
    done += peak.flops_of_round * kRounds;
    passed = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return done / passed;
}

double peak_flops(int threads, double seconds) noexcept {
  std::atomic<double> total{0};
  parallel(threads, nullptr, [&](int, Team& team) noexcept {
    team.barrier();  // all members are awake
    total.fetch_add(peak_of_thread<float>(seconds));
  });
  return total;
}

template double peak_of_thread<float>(double) noexcept;
template double peak_of_thread<double>(double) noexcept;

}  // namespace pyrnn
