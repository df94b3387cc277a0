// SPDX-License-Identifier: Apache-2.0
// Dropout between layers: the same masks in both passes, keyed by (seed, draw, layer, the caller's t and row, unit).
#pragma once

#include "core/recurrent/rows.h"
#include "core/recurrent/sequences.h"
#include "core/recurrent/shape.h"

namespace pyrnn {

struct DroppedLayer {
  const StackShape& shape;
  DropoutKey key;
  Index layer;
};
template <class T>
void drop_rows(const kernels::Kernels<T>& k, Range rows, Segment times, const Batch& batch, const DroppedLayer& of,
               const Rows<T>& output);

}  // namespace pyrnn
