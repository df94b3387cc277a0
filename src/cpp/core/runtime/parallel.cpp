// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "core/runtime/cpu_quota.h"

namespace pyrnn {
namespace {

void pause_cpu() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

// A forked child has libgomp's memory but none of its threads: entering it would hang.
std::atomic<bool> forked_child{false};
[[maybe_unused]] const int fork_handler =
    pthread_atfork(nullptr, nullptr, [] { forked_child.store(true, std::memory_order_relaxed); });

// What omp_get_max_threads says until somebody sets another number.
std::atomic<int> openmp_default{0};

std::atomic<bool> refused{false};
// Set once: a team that was refused is not tried again in each of many short calls.
std::atomic<bool> serial{false};

// libgomp keeps the threads of the calling thread's last team and ends the process when it cannot
// start the rest; so the same number is started here first, all alive at once, then joined.
bool can_start(int threads) noexcept {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;
  std::vector<std::thread> started;
  bool all = true;
  try {
    started.reserve(static_cast<std::size_t>(threads));
    for (int i = 0; i < threads; ++i) {
      started.emplace_back([&] {
        std::unique_lock lock(mutex);
        opened.wait(lock, [&] { return open; });
      });
    }
  } catch (const std::system_error&) {
    all = false;
  } catch (const std::bad_alloc&) {
    all = false;
  }
  {
    const std::lock_guard lock(mutex);
    open = true;
  }
  opened.notify_all();
  for (std::thread& thread : started) thread.join();
  return all;
}

}  // namespace

void SpinBarrier::spin_until_after(unsigned generation) const noexcept {
  using Clock = std::chrono::steady_clock;
  constexpr int kLooksPerClock = 16;
  const auto patience = Clock::now() + std::chrono::microseconds(20);
  for (int look = 1; generation_.load(std::memory_order_acquire) == generation; ++look) {
    pause_cpu();
    if (look % kLooksPerClock == 0 && Clock::now() > patience) break;
  }
  while (generation_.load(std::memory_order_acquire) == generation) std::this_thread::yield();
}

void set_openmp_default(int threads) noexcept { openmp_default.store(threads > 0 ? threads : omp_get_num_procs()); }

int thread_limit() noexcept {
  const int now = omp_get_max_threads();
  return now < openmp_default.load(std::memory_order_relaxed) ? now : std::numeric_limits<int>::max();
}

int grant_threads(int threads) noexcept {
  thread_local int last_team = 1;
  if (threads > 1) threads = std::min(threads, thread_limit());
  if (threads <= 1 || forked_child.load(std::memory_order_relaxed) || serial.load(std::memory_order_relaxed) ||
      omp_in_parallel()) {
    return 1;
  }
  if (threads > last_team && !can_start(threads - 1)) {
    if (!serial.exchange(true)) refused.store(true, std::memory_order_release);
    return 1;
  }
  last_team = threads;  // libgomp ends the members that a smaller team leaves over
  return threads;
}

bool take_refused_threads() noexcept { return refused.exchange(false, std::memory_order_acq_rel); }

}  // namespace pyrnn
