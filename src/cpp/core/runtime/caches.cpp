// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/caches.h"

#include <unistd.h>

#include "core/runtime/isa.h"

namespace pyrnn {
namespace {

// Of a core; `otherwise` where the system does not know, or says what no core has.
Index told([[maybe_unused]] int level, Index otherwise) noexcept {
  long bytes = 0;
#if defined(_SC_LEVEL1_DCACHE_SIZE) && defined(_SC_LEVEL2_CACHE_SIZE)
  bytes = sysconf(level == 1 ? _SC_LEVEL1_DCACHE_SIZE : _SC_LEVEL2_CACHE_SIZE);
#endif
  constexpr long least = 1 << 13, most = 1 << 25;
  return least <= bytes && bytes <= most ? static_cast<Index>(bytes) : otherwise;
}

kernels::CacheSizes sizes = {told(1, kernels::kCommonCaches.first), told(2, kernels::kCommonCaches.second)};

}  // namespace

kernels::CacheSizes cache_sizes() noexcept { return sizes; }

void set_cache_sizes(kernels::CacheSizes given) noexcept {
  sizes = given;
  for_each_table([](const kernels::KernelTable& table) noexcept { *table.caches = sizes; });
}

}  // namespace pyrnn
