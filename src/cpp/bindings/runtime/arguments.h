// SPDX-License-Identifier: Apache-2.0
// Checks of arguments that are not arrays, and the choice of the element type.
#pragma once

#include <vector>

#include "bindings/runtime/arrays.h"
#include "core/runtime/shares.h"

namespace pyrnn::bindings {

// What a message shows of a value.
inline std::string text_of(const std::string& text) { return text; }
inline std::string text_of(const char* text) { return text; }
inline std::string text_of(const py::array& array) { return shape_text(array); }
template <class Number>
  requires std::is_arithmetic_v<Number>
std::string text_of(Number number) {
  return std::to_string(number);
}

// ValueError with the parts as its message, which are put together for it alone: calls of a few microseconds check a
// dozen arguments.
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) throw std::invalid_argument((text_of(parts) + ...));
}

inline int checked_threads(int threads) {
  require(threads >= 1, "threads: ", threads, ", expected at least 1");
  return threads;
}

// A copy of lengths (B,), so that nothing written to the array afterwards can point outside.
inline std::vector<std::int64_t> checked_lengths(const Pinned& array, py::ssize_t steps) {
  const std::int64_t* values = data<std::int64_t>(array);
  std::vector<std::int64_t> lengths(values, values + array.shape(0));
  for (std::size_t i = 0; i < lengths.size(); ++i)
    require(lengths[i] >= 0 && lengths[i] <= steps, "lengths: ", lengths[i], " at index ", i,
            ", expected 0 to T = ", steps);
  return lengths;
}

// A copy of indices in a range, so that nothing written to the array afterwards can point outside.
inline std::vector<std::int64_t> checked_indices(const Pinned& array, const char* name, Range range) {
  const std::int64_t* values = data<std::int64_t>(array);
  std::vector<std::int64_t> checked(values, values + array.size());
  for (std::size_t n = 0; n < checked.size(); ++n) {
    if (checked[n] < range.begin || checked[n] >= range.end) {
      throw py::index_error(std::string(name) + ": " + std::to_string(checked[n]) + " at index " + std::to_string(n) +
                            ", expected " + std::to_string(range.begin) + " to " + std::to_string(range.end - 1));
    }
  }
  return checked;
}

// Calls f(T{}) with the element type of a float32 or float64 array.
template <class F>
auto with_type_of(py::handle value, const std::string& name, F&& f) {
  const py::dtype dtype = require_ndarray(value, name).dtype();
  if (dtype.normalized_num() == py::dtype::num_of<float>()) return f(float{});
  if (dtype.normalized_num() == py::dtype::num_of<double>()) return f(double{});
  throw py::type_error(name + ": dtype " + std::string(py::str(dtype)) + ", expected float32 or float64");
}

// The shape of an array of any number of axes.
inline Shape shape_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

}  // namespace pyrnn::bindings
