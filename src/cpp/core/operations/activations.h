// SPDX-License-Identifier: Apache-2.0
// Activations, softmax and cross entropy of whole arrays, spread over threads where there is enough work. The argument
// structs are the kernels' own, for the whole array.
#pragma once

#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

enum class ActivationKind { tanh, relu, sigmoid, exp, log };

template <class T>
void activation_forward(ActivationKind kind, const kernels::Activation<T>& whole, int threads, Interrupt::Check check);
// Not of exp and log.
template <class T>
void activation_backward(ActivationKind kind, const kernels::ActivationGradient<T>& whole, int threads,
                         Interrupt::Check check);

template <class T>
void softmax_forward(const kernels::Softmax<T>& whole, int threads, Interrupt::Check check);
template <class T>
void softmax_backward(const kernels::SoftmaxGradient<T>& whole, int threads, Interrupt::Check check);
template <class T>
void cross_entropy(const kernels::CrossEntropy<T>& whole, int threads, Interrupt::Check check);

}  // namespace pyrnn
