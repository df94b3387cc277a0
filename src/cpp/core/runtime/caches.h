// SPDX-License-Identifier: Apache-2.0
// The caches of this machine, for thresholds: what stays cached is not worth fetching ahead, or sharing. No bit depends
// on them.
#pragma once

#include "kernels/kernels.h"

namespace pyrnn {

// As the system tells them, or kCommonCaches where it tells nothing. Read once, at import.
kernels::CacheSizes cache_sizes() noexcept;

// Those that everything goes by; before calls, not beside them.
void set_cache_sizes(kernels::CacheSizes sizes) noexcept;

}  // namespace pyrnn
