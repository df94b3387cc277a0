// SPDX-License-Identifier: Apache-2.0
// The kernel table of one instruction set: compiled once per set, with its flags and PYRNN_ISA, its only exported
// symbol.
#include "kernels/diagonal.h"
#include "kernels/elementwise.h"
#include "kernels/gru.h"
#include "kernels/lstm.h"
#include "kernels/pack.h"
#include "kernels/rnn.h"
#include "kernels/structured.h"
#include "kernels/weight_gradient.h"

#define PYRNN_TEXT_(name) #name
#define PYRNN_TEXT(name) PYRNN_TEXT_(name)
#define PYRNN_JOIN_(a, b) a##b
#define PYRNN_JOIN(a, b) PYRNN_JOIN_(a, b)

namespace pyrnn::kernels {
namespace {

template <class T>
constexpr Kernels<T> kernels_of_type() {
  return {
      .lanes = kLanes<T>,
      .product = multiply<T>,
      .back_product = back_product<T>,
      .weight_gradient = weight_gradient<T>,
      .weight_gradient_columns = weight_gradient_columns<T>,
      .weight_gradient_scratch = weight_gradient_scratch<T>,
      .pack_forward = pack_forward<T>,
      .pack_backward = pack_backward<T>,
      .pack_bias = pack_bias<T>,
      .add_gradient = add_gradient<T>,
      .diagonal_gradient = diagonal_gradient<T>,
      .gate_norm = gate_norm<T>,
      .rnn_tanh_forward = rnn_forward<Tanh, T>,
      .rnn_tanh_backward = rnn_backward<Tanh, T>,
      .rnn_relu_forward = rnn_forward<Relu, T>,
      .rnn_relu_backward = rnn_backward<Relu, T>,
      .lstm_forward = lstm_forward<T>,
      .lstm_backward = lstm_backward<T>,
      .gru_forward = gru_forward<T>,
      .gru_backward = gru_backward<T>,
      .gru_before_reset = gru_before_reset<T>,
      .gru_before_candidate = gru_before_candidate<T>,
      .gru_before_backward_candidate = gru_before_backward_candidate<T>,
      .gru_before_backward_reset = gru_before_backward_reset<T>,
      .elementwise = elementwise_kernels<T>(),
      .structured = structured_kernels<T>(),
  };
}

constexpr KernelTable kTable = {
    .name = PYRNN_TEXT(PYRNN_ISA), .f32 = kernels_of_type<float>(), .f64 = kernels_of_type<double>()};

}  // namespace

extern "C" const KernelTable* PYRNN_JOIN(pyrnn_kernels_, PYRNN_ISA)() noexcept { return &kTable; }

}  // namespace pyrnn::kernels
