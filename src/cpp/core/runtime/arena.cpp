// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/arena.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>

#if defined(PYRNN_MMAP)
#include <sys/mman.h>
#endif

namespace pyrnn {
namespace {

constexpr std::size_t kLine = 64;
#if defined(PYRNN_MMAP)
constexpr std::size_t kHugePage = std::size_t{2} << 20;  // larger blocks are not malloc's
#endif

std::atomic<std::size_t> limit{std::size_t{256} << 20};

struct Memory {
  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

std::size_t pad_to(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

#if defined(PYRNN_MMAP)
// Straight from the system, so that it goes straight back: mapped with a page to spare on either
// side of the alignment, which is then cut off.
Memory map_huge(std::size_t bytes) {
  bytes = pad_to(bytes, kHugePage);
  const std::size_t mapped = bytes + kHugePage;
  void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
  auto* const start = static_cast<std::byte*>(base);
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(start) % kHugePage;
  if (before > 0) munmap(start, before);
  munmap(start + before + bytes, kHugePage - before);
#if defined(MADV_HUGEPAGE)
  madvise(start + before, bytes, MADV_HUGEPAGE);  // advice only: a refusal costs page faults
#endif
  return {start + before, bytes};
}
#endif

Memory from_system(std::size_t bytes) {
#if defined(PYRNN_MMAP)
  if (bytes >= kHugePage) return map_huge(bytes);
#endif
  bytes = std::max(pad_to(bytes, kLine), kLine);
  void* data = std::aligned_alloc(kLine, bytes);
  if (data == nullptr) throw std::bad_alloc();
  return {static_cast<std::byte*>(data), bytes};
}

void to_system(Memory memory) noexcept {
#if defined(PYRNN_MMAP)
  if (memory.bytes >= kHugePage) {
    munmap(memory.data, memory.bytes);
    return;
  }
#endif
  std::free(memory.data);
}

// True when this thread's pool is gone: blocks that outlive it go back to the system.
// Trivially destructible, hence readable to the very end of the thread.
thread_local bool pool_ended = false;

// The blocks that one thread keeps, oldest first. A fixed array: giving back must not allocate.
class Pool {
 public:
  ~Pool() {
    trim(0);
    pool_ended = true;
  }

  // The smallest kept block that is large enough; one four times too large is left for a larger
  // call. An empty Memory when none fits.
  Memory take(std::size_t bytes) noexcept {
    Memory* best = nullptr;
    for (Memory* kept = kept_.begin(); kept != end(); ++kept) {
      const bool fits = kept->bytes >= bytes && kept->bytes / 4 <= std::max(bytes, kLine);
      if (fits && (best == nullptr || kept->bytes < best->bytes)) best = kept;
    }
    return best == nullptr ? Memory{} : remove(best);
  }

  void give(Memory memory) noexcept {
    const std::size_t most = limit.load(std::memory_order_relaxed);
    if (memory.bytes > most) return to_system(memory);
    if (count_ == kept_.size()) to_system(remove(kept_.begin()));
    trim(most - memory.bytes);
    kept_[count_++] = memory;
    bytes_ += memory.bytes;
  }

  void trim(std::size_t most) noexcept {
    while (bytes_ > most) to_system(remove(kept_.begin()));
  }

 private:
  Memory* end() noexcept { return kept_.begin() + count_; }

  Memory remove(Memory* kept) noexcept {
    const Memory memory = *kept;
    std::move(kept + 1, end(), kept);
    --count_;
    bytes_ -= memory.bytes;
    return memory;
  }

  std::array<Memory, 32> kept_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

Pool& pool() {
  thread_local Pool instance;
  return instance;
}

Memory take(std::size_t bytes) {
  if (pool_ended) return from_system(bytes);
  const Memory kept = pool().take(bytes);
  if (kept.data != nullptr) return kept;
  try {
    return from_system(bytes);
  } catch (const std::bad_alloc&) {
    pool().trim(0);  // what is kept for later calls must not starve this one
    return from_system(bytes);
  }
}

}  // namespace

std::size_t workspace_limit() noexcept { return limit.load(std::memory_order_relaxed); }

void set_workspace_limit(std::size_t bytes) noexcept {
  limit.store(bytes, std::memory_order_relaxed);
  if (!pool_ended) pool().trim(bytes);  // the other threads follow when they next give a block back
}

Block::Block(std::size_t bytes) {
  const Memory memory = take(bytes);
  data_ = memory.data;
  bytes_ = memory.bytes;
#if defined(PYRNN_POISON)
  std::memset(data_, 0xff, bytes_);  // a NaN in every float and double that is read before it is written
#endif
}

void Block::release() noexcept {
  if (data_ == nullptr) return;
  const Memory memory{std::exchange(data_, nullptr), std::exchange(bytes_, 0)};
  if (pool_ended) {
    to_system(memory);
  } else {
    pool().give(memory);
  }
}

}  // namespace pyrnn
