// SPDX-License-Identifier: Apache-2.0
// Stops a long call. Member 0 asks the caller from time to time; if it is told to stop, all members skip the rest of
// their work. They still arrive at every barrier, so that none waits for ever. Their results are thrown away.
#pragma once

#include <atomic>
#include <chrono>

namespace pyrnn {

class Interrupt {
 public:
  using Check = bool (*)();  // true: stop; called on the calling thread, without the GIL; may be null
  explicit Interrupt(Check check) : check_(check) {}

  bool requested() const noexcept { return stop_.load(std::memory_order_relaxed); }

  // For rank 0, with the work (multiply-adds) done since the last call: looks at the clock about every 20 us.
  void poll(int rank, double work) noexcept {
    if (rank != 0 || (work_ += work) < 1e6) return;
    work_ = 0;
    look();
  }

  // For rank 0, also while it waits for the others: asks the caller every 50 ms.
  void look() noexcept {
    if (!check_) return;
    const auto now = Clock::now();
    if (asked_ == Clock::time_point{}) asked_ = now;  // a short call never looks
    if (now - asked_ < std::chrono::milliseconds(50)) return;
    asked_ = now;
    if (check_()) stop_.store(true, std::memory_order_relaxed);
  }

 private:
  using Clock = std::chrono::steady_clock;
  Check check_;
  Clock::time_point asked_{};
  double work_ = 0;
  std::atomic<bool> stop_{false};
};

}  // namespace pyrnn
