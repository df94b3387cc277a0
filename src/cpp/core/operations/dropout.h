// SPDX-License-Identifier: Apache-2.0
// Dropout of whole arrays, and masks for other drivers.
#pragma once

#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

// What a unit's fate depends on, besides where it is.
struct DropoutDraw {
  double p;
  std::uint64_t seed, draw, layer;
  std::uint32_t first_row = 0;  // of a batch that is a part of a larger one: masks count the rows of that
};

// The kernel's arguments that are the same for all rows: time, units, x and y are the caller's to set, and its own row
// to be added to `row`, which is the first one.
template <class T>
kernels::DropoutRow<T> dropout_row_of(const DropoutDraw& draw);

// y = x * mask / (1 - p) for x [T][B][F]
template <class T>
struct DropoutArray {
  Index steps, rows, units;
  const T* x;
  T* y;
};
template <class T>
void dropout(const DropoutDraw& draw, const DropoutArray<T>& whole, int threads, Interrupt::Check check);

}  // namespace pyrnn
