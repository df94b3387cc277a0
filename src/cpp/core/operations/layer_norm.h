// SPDX-License-Identifier: Apache-2.0
// Layer normalisation of whole arrays. The argument structs are the kernels' own.
#pragma once

#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

template <class T>
void layer_norm_forward(const kernels::LayerNorm<T>& whole, int threads, Interrupt::Check check);

// d_x, unless it is null, and the gradients [columns] of weight and bias, unless they are null; overwrites.
template <class T>
void layer_norm_backward(const kernels::LayerNormGradient<T>& whole, T* d_weight, T* d_bias, int threads,
                         Interrupt::Check check);

}  // namespace pyrnn
