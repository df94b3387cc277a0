// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/forks.h"

#include <pthread.h>

namespace pyrnn {
namespace {

std::atomic<int> forks{0};
[[maybe_unused]] const int fork_handler =
    pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

int fork_count() noexcept { return forks.load(std::memory_order_relaxed); }

}  // namespace pyrnn
