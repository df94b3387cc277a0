// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/barrier.h"

#include <chrono>
#include <thread>

namespace pyrnn {
namespace {

void pause_cpu() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

}  // namespace

void SpinBarrier::spin_until_after(unsigned generation, Interrupt* interrupt) const noexcept {
  using Clock = std::chrono::steady_clock;
  constexpr int kLooksPerClock = 16;
  const auto patience = Clock::now() + std::chrono::microseconds(20);
  for (int look = 1; generation_.load(std::memory_order_acquire) == generation; ++look) {
    pause_cpu();
    if (look % kLooksPerClock == 0 && Clock::now() > patience) break;
  }
  while (generation_.load(std::memory_order_acquire) == generation) {
    std::this_thread::yield();
    if (interrupt) interrupt->look();
  }
}

}  // namespace pyrnn
