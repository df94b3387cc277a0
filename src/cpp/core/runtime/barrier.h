// SPDX-License-Identifier: Apache-2.0
// The barrier of a team of threads.
#pragma once

#include <atomic>
#include <chrono>

#include "core/runtime/interrupt.h"

namespace pyrnn {

// A central barrier: the last to arrive opens the next generation, the others spin on it.
class SpinBarrier {
 public:
  static constexpr std::chrono::microseconds kLongWait{20};

  // Returns how long it waited if that was more than kLongWait, else 0. The member that is given the caller's interrupt
  // asks it meanwhile.
  std::chrono::nanoseconds wait(int members, Interrupt* interrupt = nullptr) noexcept {
    const unsigned generation = generation_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members) {
      arrived_.store(0, std::memory_order_relaxed);
      generation_.store(generation + 1, std::memory_order_release);
      return {};
    }
    return spin_until_after(generation, interrupt);
  }

 private:
  // With a pause between two looks; yields from kLongWait on, when the others may lack a core.
  std::chrono::nanoseconds spin_until_after(unsigned generation, Interrupt* interrupt) const noexcept;

  // Apart, so that an arrival does not take the line that the others watch.
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> generation_{0};
};

}  // namespace pyrnn
