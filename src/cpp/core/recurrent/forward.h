// SPDX-License-Identifier: Apache-2.0
// The forward pass over a stack, or over a part of it.
#pragma once

#include "core/recurrent/saved.h"

namespace pyrnn {

// Inference: nothing is saved, nothing is dropped.
template <class T, class W>
bool forward(const StackShape& shape, const PackedWeights<T, W>& weights, const Batch& batch,
             const Sequences<T>& sequences, int threads, Interrupt::Check check);

// What a forward pass is to do, and what it keeps of it.
template <class T, class W = T>
struct ForwardJob {
  const StackShape& shape;
  const PackedWeights<T, W>& weights;
  const Batch& batch;
  const Sequences<T>& sequences;  // states: those at the scope's borders
  Scope scope;
  const DropoutKey* key = nullptr;           // null: nothing is dropped
  Saved<T>* saved = nullptr;                 // null: buffers hold only the steps of one chunk
  const LayerBuffers<T>* layers = nullptr;  // null: those of `saved`, or its own
};

// False when stopped.
template <class T, class W>
bool forward_pass(const ForwardJob<T, W>& job, int threads, Interrupt::Check check);

}  // namespace pyrnn
