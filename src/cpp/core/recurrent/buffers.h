// SPDX-License-Identifier: Apache-2.0
// The buffers of one layer and direction: their sizes, and the layout of their rows and panels.
#pragma once

#include "core/recurrent/cell_norm.h"

namespace pyrnn {

// From panel to panel of a gate buffer: a few rows more than needed, so that the panels do not fall into the same sets
// of a cache.
inline Index gates_panel_stride(Index rows, Index lanes) { return (rows + 6) * 4 * lanes; }

template <class T>
struct RowWidths {
  Index state;  // of c, and of h without projection
  Index output;  // of h
  RowWidths(const StackShape& shape, Index lanes)
      : state(padded_row<T>(shape.hidden, lanes)), output(shape.proj ? padded_row<T>(shape.proj, lanes) : state) {}
};

// A row of a buffer; null where there is none, since the language has no sum of null and a number.
template <class T>
PYRNN_ALWAYS_INLINE T* row_of(T* buffer, Index row, Index width) {
  return buffer ? buffer + row * width : nullptr;
}

// What the steps of one layer and direction read and write; R: the rows of all their steps.
template <class T>
struct StepBuffers {
  T* x;      // input copied into the direction's own order; null where it already lies so
  T* gates;  // [panel][R + a few][4*lanes]
  T* h;      // [B + R][P], row 0 after or before the initial state (Walk)
  T* c;      // cells with c [B + R][H]
  T* m;      // with projection [R][H]: o*tanh(c)
  T* rh;     // Candidate::gated_state [R][H]: r*h_in
  T* h_in;   // what W_hh multiplies: h, or if that is changed [B + R][P]
  T* h_new;  // what the cell made: h, or if that is changed [R][P]
  T* c_new;  // cells with c, likewise: c, or [R][H]
  NormBuffers<T> norm;
};

// The gradients of one direction's sums over all steps, laid out as its gates.
template <class T>
struct GateGradients {
  T* input;      // of W_ih x: the gates' own, or with layer normalisation a buffer
  T* recurrent;  // of W_hh h, likewise
  T* projected;  // of h with projection, as panels of P
};

// What options change between two steps (state_options.h), so that before and after have buffers of their own.
struct ChangedStates {
  bool h_in;  // the h that W_hh multiplies is not h itself,
  bool h, c;  // and these are not what the cell made
};

// How much the buffers of one layer and direction hold.
struct BufferSizes {
  Index rows;        // of all their steps
  Index batch_rows;  // of the initial state
  ChangedStates changed;
};
template <class T>
void want_buffers(Arena& arena, const StackShape& shape, const CellMaps& maps, Index lanes, const BufferSizes& of,
                  StepBuffers<T>& buffers) {
  const Index rows = of.rows, with_initial = of.rows + of.batch_rows;
  const RowWidths<T> width(shape, lanes);
  buffers = {};
  arena.want(buffers.gates, maps.x.panels(), gates_panel_stride(rows, lanes));
  arena.want(buffers.h, with_initial, width.output);
  if (shape.has_c()) arena.want(buffers.c, with_initial, width.state);
  if (shape.proj) arena.want(buffers.m, rows, width.state);
  if (shape.gates_state()) arena.want(buffers.rh, rows, width.state);
  if (of.changed.h_in) arena.want(buffers.h_in, with_initial, width.output);
  want_norm(arena, shape, rows, maps.x.panels() * gates_panel_stride(rows, lanes), width.state, buffers.norm);
  if (of.changed.h) arena.want(buffers.h_new, rows, width.output);
  if (of.changed.c) arena.want(buffers.c_new, rows, width.state);
}

// After allocation: h and c begin at row 0, after the initial state (or before it, where time runs backwards).
template <class T>
void shift_past_initial_state(StepBuffers<T>& buffers, const StackShape& shape, Index lanes, Index initial_row) {
  const RowWidths<T> width(shape, lanes);
  const Index rows = larger(0, -initial_row);
  buffers.h += rows * width.output;
  if (buffers.c) buffers.c += rows * width.state;
  if (buffers.h_in) buffers.h_in += rows * width.output;
  if (!buffers.h_in) buffers.h_in = buffers.h;
  if (!buffers.h_new) buffers.h_new = buffers.h;
  if (!buffers.c_new) buffers.c_new = buffers.c;
}

}  // namespace pyrnn
