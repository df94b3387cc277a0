// SPDX-License-Identifier: Apache-2.0
// Layer normalisation inside the cells: its buffers for one layer and direction, and the kernels' arguments for them.
#pragma once

#include "core/recurrent/weights.h"

namespace pyrnn {

template <class T>
struct NormBuffers {
  T *x, *h;  // W_ih x and W_hh h as (sum - mean)*scale, laid out as the gates
  T *x_scale, *h_scale;  // [R]
  T* c;  // LSTM [R][H]: (c - mean)*scale
  T* c_scale;  // LSTM [R]
  T* d_seen;  // LSTM [R][H]: the gradient of what the output's tanh saw of c
};

// Asks for those of `rows` rows, if the cell normalises; gates: elements of a gate buffer.
template <class T>
void want_norm(Arena& arena, const StackShape& shape, Index rows, Index gates, Index state_row,
               NormBuffers<T>& buffers) {
  buffers = {};
  if (!shape.options.layer_norm) return;
  arena.want(buffers.x, gates);
  arena.want(buffers.h, gates);
  arena.want(buffers.x_scale, rows);
  arena.want(buffers.h_scale, rows);
  if (!shape.has_c()) return;
  arena.want(buffers.c, rows, state_row);
  arena.want(buffers.c_scale, rows);
  arena.want(buffers.d_seen, rows, state_row);
}

// Rows of the gate buffers, from `row` on.
template <class T, class W>
struct NormRows {
  const CellMaps& maps;
  const typename PackedWeights<T, W>::Direction& weights;
  const NormBuffers<T>& buffers;
  T* gates;  // row 0
  Index panel, lanes, row, rows;

  kernels::GateNorm<T> input() const {
    const Index at = row * 4 * lanes;
    return {.map = maps.x,
            .rows = rows,
            .panel = panel,
            .in = gates + at,
            .normal = buffers.x + at,
            .scale = buffers.x_scale + row,
            .gain = weights.ln_ih,
            .bias = weights.bias,
            .out = gates + at,
            .add = false};
  }
  // The bias of W_hh h stands in the gates already.
  kernels::GateNorm<T> recurrent() const {
    if (!weights.ln_hh) return {};
    const Index at = row * 4 * lanes + maps.h_slot * lanes;
    return {.map = maps.h,
            .rows = rows,
            .panel = panel,
            .in = buffers.h + at,
            .normal = buffers.h + at,
            .scale = buffers.h_scale + row,
            .gain = weights.ln_hh,
            .bias = nullptr,
            .out = gates + at,
            .add = true};
  }
  kernels::CellNorm<T> cell(Index state_row) const {
    if (!weights.ln_c) return {};
    return {weights.ln_c, weights.b_ln_c, buffers.c + row * state_row, buffers.c_scale + row};
  }
  // Of the sums, from the gradients of the gates: into d_sums, which lie as the gates.
  kernels::GateNormGradient<T> gradient(const kernels::GateNorm<T>& of, T* d_sums) const {
    if (!of.gain) return {};
    return {of.map, of.out, of.normal, of.scale, of.gain, d_sums + (of.out - gates)};
  }
};

}  // namespace pyrnn
