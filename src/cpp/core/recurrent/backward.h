// SPDX-License-Identifier: Apache-2.0
// Back-propagation through a stack, or a part of it. For each layer, from the last to the first, the steps of both
// directions run backwards and turn the gates into their gradients. Then the gradients of the layer's input and weights
// are computed over all steps at once.
#pragma once

#include "core/recurrent/saved.h"

namespace pyrnn {

// What a backward pass is given besides the activations, and where it puts what it finds.
template <class T>
struct BackwardJob {
  const std::vector<Weights<const T>>& weights;
  const SequenceGradients<T>& gradients;
  WeightGradients<T>& out;  // added to; cleared at the batch's last step
  const LayerBuffers<T>* d_layers = nullptr;  // the gradients of the layers' inputs, where they lie elsewhere
};

// Begins with dhn and dcn at the batch's last step, elsewhere with the dh0 and dc0 that the segment after it has left.
// False when stopped.
template <class T>
bool backward_pass(const Saved<T>& saved, const BackwardJob<T>& job, int threads, Interrupt::Check check);

}  // namespace pyrnn
