// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "array.h"
#include "core/runtime/barrier.h"
#include "core/runtime/isa.h"
#include "core/runtime/peak.h"
#include "core/runtime/shares.h"
#include "serve.h"

#define X(isa) extern "C" const pyrnn::bench::Probe* pyrnn_probe_##isa() noexcept;
PYRNN_BUILT_ISAS
#undef X

namespace pyrnn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSeconds = 0.005;    // of each measurement
constexpr Index kBytesRead = 1 << 18;  // between two looks at the clock: about 10 us

struct Rates {
  double fma_gflops = 0, read_gbytes = 0;
};

cpu_set_t affinity() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) throw std::runtime_error("sched_getaffinity failed");
  return mask;
}

// The first `threads` CPUs of the affinity mask.
std::vector<int> cpus_for(Index threads) {
  const cpu_set_t mask = affinity();
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
  const Index most = static_cast<Index>(cpus.size());
  if (threads < 1 || threads > most)
    throw std::invalid_argument("--threads: " + std::to_string(threads) + ", expected 1 to " + std::to_string(most) +
                                " = the CPUs of the affinity mask");
  cpus.resize(static_cast<std::size_t>(threads));
  return cpus;
}

void pin_to(int cpu) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(cpu, &mask);
  sched_setaffinity(0, sizeof mask, &mask);
}

// Runs body(rank) on a new thread per CPU, pinned to it, and waits for them. The body is noexcept and may wait for the
// others: it begins when all threads have started, and not at all if one could not.
template <class Body>
void on_cpus(const std::vector<int>& cpus, Body&& body) {
  static_assert(noexcept(body(std::size_t{})));
  enum State { starting, complete, failed };
  std::atomic<State> state = starting;
  const auto tell = [&](State now) {
    state = now;
    state.notify_all();
  };
  std::vector<std::jthread> team;
  team.reserve(cpus.size());
  try {
    for (std::size_t rank = 0; rank < cpus.size(); ++rank)
      team.emplace_back([&, rank] {
        pin_to(cpus[rank]);
        state.wait(starting);
        if (state == complete) body(rank);
      });
  } catch (...) {
    tell(failed);
    throw;
  }
  tell(complete);
}

// Every thread's share of `count` elements, made on its CPU, for machines whose memory has a place. By this thread,
// because the others' bodies must not throw.
template <class T>
std::vector<Array<T>> shares_on_cpus(const std::vector<int>& cpus, Index count) {
  const cpu_set_t mask = affinity();
  std::vector<Array<T>> data;
  for (std::size_t rank = 0; rank < cpus.size(); ++rank) {
    pin_to(cpus[rank]);
    data.emplace_back(share_of(count, static_cast<int>(rank), static_cast<int>(cpus.size())).size());
  }
  sched_setaffinity(0, sizeof mask, &mask);
  return data;
}

// What `work` returns for one call, per nanosecond, over kSeconds.
template <class Work>
double rate_of(Work&& work) noexcept {
  const auto start = Clock::now();
  double done = 0, seconds = 0;
  while (seconds < kSeconds) {
    done += work();
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return done / seconds * 1e-9;
}

template <class T>
Rates rates_of_member(Read<T> read, const Array<T>& data, SpinBarrier& start, int threads) noexcept {
  Rates rates;
  start.wait(threads);
  rates.fma_gflops = peak_of_thread<T>(kSeconds) * 1e-9;
  const Index bytes = data.count() * static_cast<Index>(sizeof(T)), passes = ceil_div(kBytesRead, bytes);
  read(data, data.count(), 1);  // into the caches
  start.wait(threads);
  rates.read_gbytes = rate_of([&] {
    read(data, data.count(), passes);
    return static_cast<double>(bytes * passes);
  });
  return rates;
}

}  // namespace

const Probe& probe_of(std::string_view isa) {
  set_active_isa(isa);  // throws where the CPU lacks it, before code that is compiled for it runs
#define X(name) \
  if (isa == #name) return *pyrnn_probe_##name();
  PYRNN_BUILT_ISAS
#undef X
  throw std::invalid_argument("no probe was built for " + std::string(isa));
}

template <class T>
void serve_probe(const Probe& probe, Index bytes, Index threads) {
  const std::vector<int> cpus = cpus_for(threads);
  const Index count = bytes / static_cast<Index>(sizeof(T));
  if (count < threads)
    throw std::invalid_argument("--bytes: " + std::to_string(bytes) + ", expected at least one element per thread");
  const std::vector<Array<T>> data = shares_on_cpus<T>(cpus, count);
  serve([&] {
    SpinBarrier start;
    std::vector<Rates> rates(cpus.size());
    on_cpus(cpus, [&](std::size_t rank) noexcept {
      rates[rank] = rates_of_member(of_type<T>(probe), data[rank], start, static_cast<int>(threads));
    });
    Rates sum;
    for (const Rates& r : rates) sum = {sum.fma_gflops + r.fma_gflops, sum.read_gbytes + r.read_gbytes};
    char text[80];
    std::snprintf(text, sizeof text, "{\"fma_gflops\": %.3f, \"read_gbytes\": %.3f}", sum.fma_gflops, sum.read_gbytes);
    return std::string(text);
  });
}

template void serve_probe<float>(const Probe&, Index, Index);
template void serve_probe<double>(const Probe&, Index, Index);

}  // namespace pyrnn::bench
