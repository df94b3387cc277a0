// SPDX-License-Identifier: Apache-2.0
// Calls of the core whose results can be compared: what each of them writes, as bytes.
#pragma once

#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/dims.h"

namespace pyrnn::driver {

using Bytes = std::vector<unsigned char>;

template <class T>
Bytes& operator<<(Bytes& bytes, const std::vector<T>& written) {
  const auto* data = reinterpret_cast<const unsigned char*>(written.data());
  bytes.insert(bytes.end(), data, data + written.size() * sizeof(T));
  return bytes;
}
template <class T>
Bytes operator<<(Bytes&& bytes, const std::vector<T>& written) {
  return std::move(bytes << written);
}

// A call, made with at most so many threads. Its bytes are the same for any number of them.
struct Call {
  std::string name;
  std::function<Bytes(int threads)> run;
  std::string equals = {};  // the name of another call that gives the same bytes
};

// Small sizes are for slow machines; large ones are shared among threads.
struct Sizes {
  Index steps, rows, inputs, units;
};
constexpr Sizes kSmall = {4, 3, 5, 7}, kLarge = {10, 9, 33, 67};

template <class T>
std::vector<T> numbers(Index count, double bound = 1) {
  static std::mt19937 bits;
  std::vector<T> made(static_cast<std::size_t>(count));
  const double scale = 2 * bound / static_cast<double>(std::mt19937::max());
  for (T& number : made) number = static_cast<T>(static_cast<double>(bits()) * scale - bound);
  return made;
}
template <class T>
std::vector<T> zeros(Index count) {
  return std::vector<T>(static_cast<std::size_t>(count));
}
// Each in [0, end).
inline std::vector<std::int64_t> whole_numbers(Index count, Index end) {
  std::vector<std::int64_t> made;
  for (const double number : numbers<double>(count, 0.499)) {
    made.push_back(static_cast<std::int64_t>((number + 0.5) * static_cast<double>(end)));
  }
  return made;
}

// Lengths of a ragged batch: from none of the steps to all of them, unsorted.
inline std::vector<std::int64_t> ragged(Index steps, Index rows) {
  std::vector<std::int64_t> lengths;
  for (Index row = 0; row < rows; ++row) lengths.push_back((row * 5 + 2) % (steps + 1));
  return lengths;
}

void add_layers(std::vector<Call>& calls, const Sizes& sizes);
void add_operations(std::vector<Call>& calls, const Sizes& sizes);

}  // namespace pyrnn::driver
