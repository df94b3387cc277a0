// SPDX-License-Identifier: Apache-2.0
// How many CPUs the operating system grants this process.
#pragma once

namespace pyrnn {

// The CPUs of the affinity mask, or the cgroup's quota of them (rounded up) if that is less.
int default_num_threads();

// The most threads that omp_set_num_threads leaves the calling thread, as threadpoolctl uses it; no limit where nobody
// has called it: set_openmp_default is told OMP_NUM_THREADS, or 0 for the processors. In parallel.cpp, which knows
// OpenMP.
int thread_limit() noexcept;
void set_openmp_default(int threads) noexcept;

}  // namespace pyrnn
