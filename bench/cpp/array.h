// SPDX-License-Identifier: Apache-2.0
// Arrays that lie like the library's own: aligned to a cache line, in the memory that its workspaces come from.
#pragma once

#include <algorithm>
#include <random>

#include "core/runtime/arena.h"

namespace pyrnn::bench {

template <class T>
class Array {
 public:
  Array() = default;
  explicit Array(Index count) : block_(static_cast<std::size_t>(count) * sizeof(T)), count_(count) {
    std::fill_n(data(), count, T(0));
  }
  T* data() const { return reinterpret_cast<T*>(block_.data()); }
  operator T*() const { return data(); }
  Index count() const { return count_; }

 private:
  Block block_;
  Index count_ = 0;
};

// Uniform in [-bound, bound]; the numbers of all arrays together are the same in every run.
template <class T>
Array<T> random_array(Index count, double bound = 1) {
  static std::mt19937 bits;
  const double scale = 2 * bound / static_cast<double>(std::mt19937::max());
  Array<T> array(count);
  for (Index i = 0; i < count; ++i) array[i] = static_cast<T>(static_cast<double>(bits()) * scale - bound);
  return array;
}

template <class T>
Array<T> copy_of(const Array<T>& from) {
  Array<T> to(from.count());
  std::copy_n(from.data(), from.count(), to.data());
  return to;
}

}  // namespace pyrnn::bench
