// SPDX-License-Identifier: Apache-2.0
// Workspaces: one allocation per call, cut into typed pieces. The thread keeps it for its next call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/dims.h"

namespace pyrnn {

// Memory of the caller's, 64-byte aligned.
struct GivenMemory {
  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

// What one thread keeps for its next calls, in bytes (256 MiB at first); for all threads.
std::size_t workspace_limit() noexcept;
void set_workspace_limit(std::size_t bytes) noexcept;

// Memory that is taken from the calling thread's pool and returned to the pool of the thread that
// destroys it.
class Block {
 public:
  Block() = default;
  explicit Block(std::size_t bytes);  // std::bad_alloc when the system has no more
  ~Block() { release(); }
  Block(Block&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Block& operator=(Block&& other) noexcept {
    if (this != &other) {
      release();
      data_ = std::exchange(other.data_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  std::byte* data() const noexcept { return data_; }
  void release() noexcept;

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// want() each piece, then allocate() once: the pointers are set, each to 64-byte aligned memory that
// is not zeroed. The pieces live until the arena's end, or as long as the memory that was given.
class Arena {
 public:
  // rows*columns elements; std::bad_alloc if no memory can hold them.
  template <class T>
  void want(T*& pointer, Index rows, Index columns = 1) {
    constexpr Index kMost = std::numeric_limits<Index>::max() / 2;
    if (columns > 0 && rows > (kMost - static_cast<Index>(total_)) / static_cast<Index>(sizeof(T)) / columns) {
      throw std::bad_alloc();
    }
    const auto count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
    pieces_.push_back(
        {&pointer, total_, [](void* slot, std::byte* at) { *static_cast<T**>(slot) = reinterpret_cast<T*>(at); }});
    total_ += (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
  }

  // Of all pieces so far.
  std::size_t bytes() const { return total_; }

  void allocate() {
    block_ = Block(total_);
    place(block_.data());
  }
  void allocate(GivenMemory memory) {
    if (memory.data == nullptr) return allocate();
    if (memory.bytes < total_)
      throw std::invalid_argument("memory: " + std::to_string(memory.bytes) + " bytes, expected at least " +
                                  std::to_string(total_));
    place(memory.data);
  }

 private:
  static constexpr std::size_t kAlignment = 64;

  struct Piece {
    void* slot;  // the T* to set, whose type `set` knows
    std::size_t offset;
    void (*set)(void* slot, std::byte* at);
  };

  void place(std::byte* memory) {
    for (const Piece& piece : pieces_) piece.set(piece.slot, memory + piece.offset);
    pieces_.clear();
  }

  std::vector<Piece> pieces_;
  std::size_t total_ = 0;
  Block block_;
};

}  // namespace pyrnn
