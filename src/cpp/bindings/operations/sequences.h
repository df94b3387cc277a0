// SPDX-License-Identifier: Apache-2.0
// The position of a batch's sequences in a caller's array, and their lengths.
#pragma once

#include "bindings/runtime/arguments.h"
#include "core/operations/pool.h"

namespace pyrnn::bindings {

inline std::vector<std::int64_t> lengths_of(py::handle lengths, const PooledRows& of) {
  return checked_lengths(require_array<std::int64_t>(lengths, "lengths", {of.rows}, "(B,)"), of.steps);
}

inline PooledRows pooled_rows_of(const Shape& shape, bool batch_first) {
  const std::size_t time = batch_first ? 1 : 0;
  return {.steps = shape[time],
          .rows = shape[1 - time],
          .columns = shape[2],
          .batch_first = batch_first,
          .lengths = nullptr};
}

}  // namespace pyrnn::bindings
