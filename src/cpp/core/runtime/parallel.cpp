// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <new>
#include <string_view>
#include <vector>

#include "core/runtime/forks.h"

namespace pyrnn {
namespace {

using Clock = std::chrono::steady_clock;

// What omp_get_max_threads says until somebody sets another number.
std::atomic<int> openmp_default{0};

std::atomic<bool> refused{false};
// Set once: a team that was refused is not tried again in each of many short calls.
std::atomic<bool> serial{false};

// The stack that OpenMP's threads get, in bytes, read when libgomp reads it: a number of B, K (also without a letter),
// M or G. 0: the system's default.
std::size_t stack_of_environment() {
  for (const char* name : {"OMP_STACKSIZE", "GOMP_STACKSIZE"}) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    char* end = nullptr;
    const unsigned long long number = std::strtoull(text, &end, 10);
    while (std::isspace(static_cast<unsigned char>(*end))) ++end;
    const std::string_view units = "BKMG";
    const std::size_t unit =
        *end == 0 ? 1 : units.find(static_cast<char>(std::toupper(static_cast<unsigned char>(*end))));
    if (end == text || unit == units.npos || number > (~std::size_t{0} >> 10 * unit)) continue;
    return static_cast<std::size_t>(number) << 10 * unit;
  }
  return 0;
}
const std::size_t stack_size = stack_of_environment();

struct Gate {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;
};

void* wait_at(void* at) {
  Gate& gate = *static_cast<Gate*>(at);
  std::unique_lock lock(gate.mutex);
  gate.opened.wait(lock, [&] { return gate.open; });
  return nullptr;
}

// libgomp keeps the threads of the calling thread's last team and ends the process when it cannot
// start the rest; so the same number, with the same stacks, is started here first, all alive at once, then joined.
bool can_start(int threads) noexcept {
  Gate gate;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  if (stack_size > 0) pthread_attr_setstacksize(&attributes, stack_size);  // one too small leaves the default
  std::vector<pthread_t> started;
  bool all = true;
  try {
    started.resize(static_cast<std::size_t>(threads));
  } catch (const std::bad_alloc&) {
    all = false;
  }
  std::size_t running = 0;
  while (all && running < started.size()) {
    all = pthread_create(&started[running], &attributes, &wait_at, &gate) == 0;
    running += all;
  }
  {
    const std::lock_guard lock(gate.mutex);
    gate.open = true;
  }
  gate.opened.notify_all();
  for (std::size_t i = 0; i < running; ++i) pthread_join(started[i], nullptr);
  pthread_attr_destroy(&attributes);
  return all;
}

// When the calling thread last waited for a core that another process has, or until when it does without.
thread_local Clock::time_point last_wait{};

}  // namespace

void notice_waits(std::chrono::nanoseconds waited, Clock::time_point start) noexcept {
  constexpr int kShare = 16;  // waiting may take a sixteenth of the time
  if (waited == waited.zero()) return;
  const auto now = Clock::now();
  if (waited < 0.6 * (now - start)) return;  // shares are not always equal
  constexpr std::chrono::nanoseconds most = std::chrono::seconds(1);  // a process that was stopped has waited longer
  last_wait = std::max(now, last_wait + kShare * std::min(waited, most));
}

bool waits_for_cores() noexcept { return last_wait > Clock::time_point{} && Clock::now() < last_wait; }

void set_openmp_default(int threads) noexcept { openmp_default.store(threads > 0 ? threads : omp_get_num_procs()); }

int thread_limit() noexcept {
  if (!kHasTeams) return 1;
  const int now = omp_get_max_threads();
  return now < openmp_default.load(std::memory_order_relaxed) ? now : std::numeric_limits<int>::max();
}

int grant_threads(int threads) noexcept {
  thread_local int last_team = 1;
  // A forked child has libgomp's memory but none of its threads: entering it would hang.
  if (!kHasTeams || threads <= 1 || fork_count() > 0 || serial.load(std::memory_order_relaxed) || omp_in_parallel() ||
      waits_for_cores()) {
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
