// SPDX-License-Identifier: Apache-2.0
// Dropout between layers: the same masks in both passes, keyed by (seed, draw, layer, t, the caller's row, unit).
#pragma once

#include "core/recurrent/rows.h"
#include "core/recurrent/stack.h"

namespace pyrnn {

template <class T>
void drop_rows(const kernels::Kernels<T>& k, Range rows, Segment times, const Batch& batch, const StackShape& shape,
               DropoutKey key, Index layer, const Rows<T>& output);

}  // namespace pyrnn
