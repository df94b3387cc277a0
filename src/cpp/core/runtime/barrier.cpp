// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/barrier.h"

#include <thread>

namespace pyrnn {
namespace {

void pause_cpu() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

std::chrono::nanoseconds SpinBarrier::spin_until_after(unsigned generation, Interrupt* interrupt) const noexcept {
  using Clock = std::chrono::steady_clock;
  constexpr int kLooksPerClock = 16;
  const auto start = Clock::now();
  for (int look = 1; generation_.load(std::memory_order_acquire) == generation; ++look) {
    pause_cpu();
    if (look % kLooksPerClock == 0 && Clock::now() - start > kLongWait) break;
  }
  if (generation_.load(std::memory_order_acquire) != generation) return {};
  while (generation_.load(std::memory_order_acquire) == generation) {
    std::this_thread::yield();
    if (interrupt) interrupt->look();
  }
  return Clock::now() - start;
}

}  // namespace pyrnn
