// SPDX-License-Identifier: Apache-2.0
// The linear layer y = x W^T + b, on the same panels and products as the recurrent layers.
#pragma once

#include "core/runtime/arena.h"
#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

// W (O, I) and b (O) in the kernels' layout: a snapshot.
template <class T, class W = T>
class PackedLinear {
 public:
  PackedLinear(const kernels::KernelTable& table, Index outputs, Index inputs, const T* weight, const T* bias,
               int threads);
  Index outputs() const { return map_.units; }  // O
  Index inputs() const { return inputs_; }      // I
  // The rows of one member: x [count][I], y [count][O], x_row and y_row apart.
  void rows(Index count, const kernels::Left<T, W>* x, Index x_row, T* y, Index y_row) const {
    kernels::for_each_group(map_, count, 0, map_.panels(), false,
                            [&](Index panel, Index panels) { multiply({count, {x, x_row}, y, y_row}, panel, panels); });
  }
  // x [rows][I] -> y [rows][O]; incomplete once `check` asked to stop
  void forward(Index rows, const T* x, T* y, int threads, Interrupt::Check check) const;

 private:
  struct Rows {
    Index count;
    kernels::LeftRows<T, W> x;
    T* y;
    Index y_row;
  };
  void multiply(const Rows& rows, Index panel, Index panels) const;

  const kernels::Kernels<T, W>* kernels_;
  kernels::PanelMap map_;
  Index inputs_;
  Arena arena_;
  W* weight_;  // kernels::PackForward
  T* bias_;    // [panel][4*lanes], zero without a bias
};

// dx = dy W, dW = dy^T x, db = the sum of dy's rows: all overwritten; dx and db may be null.
template <class T>
struct LinearGradient {
  Index rows, outputs, inputs;  // N, O, I
  const T* x;                   // [N][I]
  const T* weight;              // [O][I]
  const T* d_y;                 // [N][O]
  T* d_x;                       // [N][I]
  T* d_weight;                  // [O][I]
  T* d_bias;                    // [O]
};
template <class T>
void linear_backward(const LinearGradient<T>& q, int threads, Interrupt::Check check);

}  // namespace pyrnn
