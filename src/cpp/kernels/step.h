// SPDX-License-Identifier: Apache-2.0
// Code that the time steps of all cells share: the products with W_hh around the gate arithmetic.
#pragma once

#include "kernels/gate_norm.h"
#include "kernels/narrow.h"
#include "kernels/product_int8.h"
#include "kernels/vmath.h"

namespace pyrnn::kernels {
namespace {

// Calls f(panel) for the panels that the caller holds. Steps that take turns in the order find the panels with which
// the step before ended still cached.
template <class T, class W, class F>
PYRNN_INLINE void for_each_panel(const StepForward<T, W>& s, F&& f) {
  for (Index i = s.panel_begin; i < s.panel_end; ++i) f(s.descending ? s.panel_begin + s.panel_end - 1 - i : i);
}

// What W_hh multiplies, as the product reads it.
template <class T, class W>
PYRNN_INLINE LeftRows<T, W> left_rows(const StepForward<T, W>& s, const T* h, Index h_row) {
  if constexpr (kLeftIsNarrow<W> || kPairs<T, W>) {
    const Index columns = s.h_prev_columns,
                row = kPairs<T, W> ? paired_bytes(columns, kLanes<T>) : left_columns<W>(columns);
    const NarrowRows<T> rows{s.rows, columns, h, h_row, s.left, row};
    if constexpr (kPairs<T, W>) {
      if (!s.left_is_made) pair_rows(rows);
    } else {
      if (!s.left_is_made) narrow_rows(rows);
    }
    return narrow_left<T, W>(s.left, row);
  } else {
    return {h, h_row};
  }
}

// gates[panel][slots from `slot` on] += h * W_hh^T for a group of `count` panels of `width` vectors; with layer
// normalisation the product goes apart, since a row's mean needs the panels of all units.
template <class T, class W>
PYRNN_INLINE void add_recurrent(const StepForward<T, W>& s, const LeftRows<T, W>& h, const W* weight, Index panel,
                                Index panel_size, int slot, int width, Index count) {
  constexpr Index L = kLanes<T>;
  const Index size = packed_columns<W>(s.h_prev_columns) * panel_size, next = s.descending ? panel - 1 : panel + 1;
  const bool fetching = outgrow_cache<W>(s.map.panels() * size, caches) && s.panel_begin <= next && next < s.panel_end;
  multiply(Product<T, W>{.rows = s.rows,
                         .width = width,
                         .a = h.rows,
                         .a_row = h.row,
                         .a_paired = h.paired,
                         .b = weight + panel * size,
                         .b_step = width * L,
                         .length = s.h_prev_columns,
                         .start = s.norm.gain ? Start::zero : Start::add,
                         .c = (s.norm.gain ? s.norm.normal : s.gates + slot * L) + panel * s.gates_panel,
                         .c_row = 4 * L,
                         .panels = count,
                         .b_panel = size,
                         .c_panel = s.gates_panel,
                         .ahead = fetching ? weight + next * size : nullptr});
}

// Calls product(first, count) and then gates(panel) of each for groups of panels; with layer normalisation the products
// of all panels first.
template <class T, class W, class Product, class Gates>
PYRNN_INLINE void for_each_panel(const StepForward<T, W>& s, Product&& product, Gates&& gates) {
  for_each_group(s.map, s.rows, s.panel_begin, s.panel_end, s.descending,
                 [&](Index first, Index count) __attribute__((always_inline)) {
                   product(first, count);
                   for (Index panel = first; panel < first + count && !s.norm.gain; ++panel) gates(panel);
                 });
  if (!s.norm.gain) return;
  gate_norm(s.norm);
  for_each_panel(s, gates);
}

// After a step's gates: with layer normalisation, the gradients of the sums W_ih x and W_hh h.
template <class T, class W>
PYRNN_INLINE void gradients_of_sums(const StepBackward<T, W>& s) {
  if (!s.x_norm.gain) return;
  gate_norm_backward(s.x_norm, s.rows, s.gates_panel);
  gate_norm_backward(s.h_norm, s.rows, s.gates_panel);
}

// d_h = start + dG(next step) * W_hh for the units that the caller holds.
template <class T, class W>
PYRNN_INLINE void recurrent_gradient(const StepBackward<T, W>& s, Index rows, const T* d_gates, Start start, T* d_h) {
  if (rows > 0)
    back_product(BackProduct<T, W>{.map = s.map,
                                   .rows = rows,
                                   .d_gates = d_gates,
                                   .gates_panel = s.gates_panel,
                                   .weight = s.w_hh,
                                   .columns = s.map.units,
                                   .column_panel_begin = s.column_panel_begin,
                                   .column_panel_end = s.column_panel_end,
                                   .start = start,
                                   .c = d_h,
                                   .c_row = s.state_row,
                                   .c_padded = true,
                                   .descending = s.descending});
}

// Candidate::gated_state: d of what W_hn multiplied = d of the candidate's sum (slot 0) * W_hn, likewise.
template <class T, class W>
PYRNN_INLINE void candidate_gradient(const StepBackward<T, W>& s) {
  StepBackward<T, W> candidate = s;
  candidate.map.slots = 1;
  candidate.w_hh = s.w_hn;
  recurrent_gradient(candidate, s.rows, s.gates, Start::zero, s.d_rh);
}

// Calls f(row, unit) for each vector of those units, vector by vector.
template <class T, class W, class F>
PYRNN_INLINE void for_each_vector(const StepBackward<T, W>& s, F&& f) {
  constexpr Index L = kLanes<T>;
  const Index end = smaller(s.map.units, s.column_panel_end * 4 * L);
  for (Index unit = s.column_panel_begin * 4 * L; unit < end; unit += L)
    for (Index row = 0; row < s.rows; ++row) f(row, unit);
}

// The gradient that reaches h of this step: from the next step, and from the output y (whose rows are not padded).
template <class T, class W>
PYRNN_INLINE Vec<T> gradient_of_h(const StepBackward<T, W>& s, Index row, Index unit) {
  const Vec<T> from_next = load(s.d_h + row * s.state_row + unit);
  if (!s.d_y) return from_next;
  const T* d_y = s.d_y + row * s.d_y_row + unit;
  const Index left = s.map.units - unit;
  return from_next + (left >= kLanes<T> ? load(d_y) : load_first(d_y, static_cast<int>(left)));
}

}  // namespace
}  // namespace pyrnn::kernels
