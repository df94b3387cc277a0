// SPDX-License-Identifier: Apache-2.0
// Fills the element-wise part of the kernel table.
#pragma once

#include "kernels/activations.h"
#include "kernels/attention.h"
#include "kernels/combine.h"
#include "kernels/dropout.h"
#include "kernels/layer_norm.h"
#include "kernels/optimizers.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"

namespace pyrnn::kernels {
namespace {

template <class T>
constexpr ElementwiseKernels<T> elementwise_kernels() {
  return {
      .tanh_forward = activation_forward<Tanh, T>,
      .tanh_backward = activation_backward<Tanh, T>,
      .relu_forward = activation_forward<Relu, T>,
      .relu_backward = activation_backward<Relu, T>,
      .sigmoid_forward = activation_forward<Sigmoid, T>,
      .sigmoid_backward = activation_backward<Sigmoid, T>,
      .exp_forward = activation_forward<Exp, T>,
      .log_forward = activation_forward<Log, T>,
      .softmax_forward = softmax_forward<T>,
      .softmax_backward = softmax_backward<T>,
      .attention_forward = attention_forward<T>,
      .attention_backward = attention_backward<T>,
      .cross_entropy = cross_entropy<T>,
      .layer_norm_forward = layer_norm_forward<T>,
      .layer_norm_backward = layer_norm_backward<T>,
      .layer_norm_weight_gradient = layer_norm_weight_gradient<T>,
      .time_sum = time_sum<T>,
      .time_max = time_max<T>,
      .add_compensated = add_compensated<T>,
      .dropout_row = dropout_row<T>,
      .sgd_step = sgd_step<T>,
      .adam_step = adam_step<T>,
      .rmsprop_step = rmsprop_step<T>,
      .scale = scale<T>,
      .add_to = add_to<T>,
      .multiply_by = multiply_by<T>,
      .average_with = average_with<T>,
      .row_sums = row_sums<T>,
      .sum_squares = sum_squares<T>,
      .all_finite = all_finite<T>,
  };
}

}  // namespace
}  // namespace pyrnn::kernels
