// SPDX-License-Identifier: Apache-2.0
// Teams of threads. Only this file and parallel.cpp use OpenMP. Built with -DPYRNN_OPENMP=OFF, every call is serial.
#pragma once

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <atomic>
#include <chrono>
#include <type_traits>

#include "core/dims.h"
#include "core/runtime/barrier.h"
#include "core/runtime/fpenv.h"

namespace pyrnn {

#if defined(_OPENMP)
inline constexpr bool kHasTeams = true;
#else
// As OpenMP answers outside a parallel region of a process that may have one thread.
inline constexpr bool kHasTeams = false;
inline int omp_in_parallel() noexcept { return 0; }
inline int omp_get_max_threads() noexcept { return 1; }
inline int omp_get_num_procs() noexcept { return 1; }
inline int omp_get_num_threads() noexcept { return 1; }
inline int omp_get_thread_num() noexcept { return 0; }
#endif

// One member's view of the threads that run a body together.
class Team {
 public:
  Team(int size, SpinBarrier* shared, Interrupt* interrupt) noexcept
      : size_(size), shared_(shared), interrupt_(interrupt) {}
  int size() const noexcept { return size_; }
  // Returns when every member has called it; what was written before is then seen by all.
  void barrier() noexcept {
    if (size_ == 1) return;
    met_ = true;
    waited_ += shared_->wait(size_, interrupt_);
  }
  // Whether there was a barrier, and the time in long waits at barriers so far.
  bool met() const noexcept { return met_; }
  std::chrono::nanoseconds waited() const noexcept { return waited_; }

 private:
  int size_;
  SpinBarrier* shared_;
  Interrupt* interrupt_;
  bool met_ = false;
  std::chrono::nanoseconds waited_{};
};

// Pieces of work that the members take one after the other, so that a core that is slower, or busy elsewhere, takes
// fewer.
class Queue {
 public:
  template <class F>
  void share(Index pieces, F&& f) noexcept {
    for (Index piece; (piece = next_.fetch_add(1, std::memory_order_relaxed)) < pieces;) f(piece);
  }

 private:
  std::atomic<Index> next_{0};
};

// The most threads that omp_set_num_threads leaves the calling thread, as threadpoolctl uses it; no limit where nobody
// has called it: set_openmp_default is told OMP_NUM_THREADS, or 0 for the processors. 1 without OpenMP.
int thread_limit() noexcept;
void set_openmp_default(int threads) noexcept;

// How many threads the caller may really have of the `threads` it asks for: 1 without OpenMP, in a forked child, inside
// another OpenMP region, and where the system refuses to start more.
int grant_threads(int threads) noexcept;

// The longest that a member of a team has waited for the others at barriers; of rank 0 also at the end, where the team
// has met before.
class Waits {
 public:
  void note(std::chrono::nanoseconds waited) noexcept {
    auto most = longest_.load(std::memory_order_relaxed);
    while (waited > most && !longest_.compare_exchange_weak(most, waited, std::memory_order_relaxed)) {
    }
  }
  std::chrono::nanoseconds longest() const noexcept { return longest_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::chrono::nanoseconds> longest_{};
};

// Where a member spent most of a call waiting for the others, another process has one of their cores. Where such waits
// come often, the calling thread's next calls get no others, for so long that waiting takes a sixteenth of the time.
void notice_waits(std::chrono::nanoseconds waited, std::chrono::steady_clock::time_point start) noexcept;
bool waits_for_cores() noexcept;

// True once after grant_threads was refused threads: the caller's caller owes the user a warning.
bool take_refused_threads() noexcept;

// Runs body(rank, team) on up to `threads` threads, rank 0 on the calling one, and returns how many
// ran. A body must be noexcept and take the number of threads from team.size() alone. While rank 0 waits for the
// others, at a barrier or at the end, it asks the caller through `interrupt`, if there is one.
template <class Body>
int parallel(int threads, Interrupt* interrupt, Body&& body) noexcept {
  static_assert(std::is_nothrow_invocable_v<Body&, int, Team&>,
                "parallel: body must be [..](int rank, Team& team) noexcept");
  const int granted = grant_threads(threads);
  if (granted <= 1) {
    const ScopedFloatControl flush(kFlushDenormals);
    Team alone(1, nullptr, nullptr);
    body(0, alone);
    return 1;
  }
  using Clock = std::chrono::steady_clock;
  SpinBarrier shared;
  int size = 1;
  Waits waits;
  std::chrono::nanoseconds own{};  // what rank 0 waited
  Clock::time_point finished{};  // its part, where the team has met: shares of a team that never meets may be unequal
  const auto start = Clock::now();
#if defined(_OPENMP)
#pragma omp parallel num_threads(granted) default(shared)
#endif
  {
    const ScopedFloatControl flush(kFlushDenormals);
    const int rank = omp_get_thread_num();
    Team team(omp_get_num_threads(), &shared, rank == 0 ? interrupt : nullptr);
    body(rank, team);
    if (rank > 0) {
      waits.note(team.waited());
    } else {
      size = team.size();
      own = team.waited();
      if (team.met()) finished = Clock::now();
    }
    if (interrupt) team.barrier();
  }
  if (finished > Clock::time_point{}) {
    const auto end = Clock::now() - finished;
    waits.note(end > SpinBarrier::kLongWait ? own + end : own);
    notice_waits(waits.longest(), start);
  }
  return size;
}

template <class Body>
int parallel(int threads, Body&& body) noexcept {
  return parallel(threads, nullptr, body);
}

}  // namespace pyrnn
