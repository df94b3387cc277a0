// SPDX-License-Identifier: Apache-2.0
// The identity of this process: a forked child gets neither the parent's threads nor what those threads held.
#pragma once

#include <atomic>

namespace pyrnn {

// How many forks lie between this process and the one that loaded the library.
int fork_count() noexcept;

// Whether something is in use. What another thread was using when the process forked is free in the child.
class InUse {
 public:
  // False if it is taken.
  bool take() noexcept {
    const int now = fork_count();
    return taken_in_.exchange(now, std::memory_order_acquire) != now;
  }
  // By who took it in the process `taken_in`, as fork_count said then: a child that was forked meanwhile frees nothing.
  void release(int taken_in) noexcept { taken_in_.compare_exchange_strong(taken_in, kFree, std::memory_order_release); }
  bool taken() const noexcept { return taken_in_.load(std::memory_order_acquire) == fork_count(); }

 private:
  static constexpr int kFree = -1;
  std::atomic<int> taken_in_{kFree};
};

}  // namespace pyrnn
