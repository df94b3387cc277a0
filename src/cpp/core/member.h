// SPDX-License-Identifier: Apache-2.0
// One member of a team at work on a stack: what it holds, and the buffers that all members share.
#pragma once

#include "core/parallel.h"
#include "core/rows.h"
#include "core/stack.h"

namespace pyrnn {

struct Member {
  int rank;
  Team* team;
  bool by_units;
  Range rows;               // of the batch
  Range panels;             // of the gates
  Range column_panels;      // of H, four vectors each
  Range projection_panels;  // of P, four vectors each

  static Member of(const Split& split, const StackShape& shape, const Batch& batch, const CellMaps& maps, Index lanes,
                   int rank, Team& team) {
    return {rank,
            &team,
            split.by_units,
            split.rows(batch, rank),
            split.panels(maps.x.panels(), rank),
            split.panels(ceil_div(shape.hidden, 4 * lanes), rank),
            split.panels(ceil_div(shape.output(), 4 * lanes), rank)};
  }

  // Members that share units wait for each other; those with rows of their own need not.
  void meet() const {
    if (by_units) team->barrier();
  }
  Range active_rows(Index active) const { return {rows.begin, larger(rows.begin, smaller(rows.end, active))}; }
  // Rows for work that is not divided by units, such as copies.
  Range copied_rows(Index active) const {
    return by_units ? share_of(active, rank, team->size()) : active_rows(active);
  }
};

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

// Asks for the buffers of one layer and direction: `rows` rows, and the initial state of `batch_rows`.
template <class T>
void want_buffers(Arena& arena, const StackShape& shape, const CellMaps& maps, Index lanes, Index rows,
                  Index batch_rows, typename Saved<T>::Direction& buffers) {
  const auto size = [](Index a, Index b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); };
  const RowWidths<T> width(shape, lanes);
  buffers = {};
  arena.want(buffers.gates, size(maps.x.panels(), gates_panel_stride(rows, lanes)));
  arena.want(buffers.h, size(rows + batch_rows, width.output));
  if (shape.is_lstm()) arena.want(buffers.c, size(rows + batch_rows, width.state));
  if (shape.proj) arena.want(buffers.m, size(rows, width.state));
  if (maps.reset_before) arena.want(buffers.rh, size(rows, width.state));
}

// After allocation: h and c begin at row 0, behind the initial state (or before it, where time runs backwards).
template <class T>
void shift_past_initial_state(typename Saved<T>::Direction& buffers, const StackShape& shape, Index lanes,
                              Index initial_row) {
  const RowWidths<T> width(shape, lanes);
  const Index rows = larger(0, -initial_row);
  buffers.h += rows * width.output;
  if (buffers.c) buffers.c += rows * width.state;
}

}  // namespace pyrnn
