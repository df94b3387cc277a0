// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/shares.h"

namespace pyrnn {
namespace {

constexpr double kWorkForThreads = 2e6;  // multiply-adds in a call from which waking the other threads pays

}  // namespace

int threads_worth(double work, int threads) { return work < kWorkForThreads ? 1 : threads; }

}  // namespace pyrnn
