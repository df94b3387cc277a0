// SPDX-License-Identifier: Apache-2.0
// The number of CPUs that the operating system grants this process.
#pragma once

namespace pyrnn {

// The CPUs of the affinity mask, or the cgroup's quota of them (rounded up) if that is less.
int default_num_threads();

}  // namespace pyrnn
