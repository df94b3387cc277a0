// SPDX-License-Identifier: Apache-2.0
// One member of a team that works on a stack, and the rows and units that it holds.
#pragma once

#include "core/recurrent/shape.h"
#include "core/recurrent/split.h"
#include "core/runtime/parallel.h"

namespace pyrnn {

struct Member {
  int rank;
  Team* team;
  bool by_units;
  Range rows;               // of the batch
  Range panels;             // of the gates
  Range column_panels;      // of H, four vectors each
  Range projection_panels;  // of P, four vectors each

  // The steps of a pass.
  struct Work {
    const StackShape& shape;
    const Batch& batch;
    Segment steps;
    const CellMaps& maps;
    Index lanes;
  };
  static Member of(const Split& split, const Work& work, int rank, Team& team) {
    return {rank,
            &team,
            split.by_units,
            split.rows(work.batch, work.steps, rank),
            split.panels(work.maps.x.panels(), rank),
            split.panels(ceil_div(work.shape.hidden, 4 * work.lanes), rank),
            split.panels(ceil_div(work.shape.output(), 4 * work.lanes), rank)};
  }

  // Members that share units wait for each other; those with rows of their own need not.
  void meet() const {
    if (by_units) team->barrier();
  }
  // One phase of a step, which all members have finished when it returns. A stopped call skips the work but never the
  // meeting: its members see the stop at different times, and none may be left waiting.
  template <class F>
  void phase(bool stopped, F&& work) const {
    if (!stopped) work();
    meet();
  }
  Range active_rows(Index active) const { return {rows.begin, larger(rows.begin, smaller(rows.end, active))}; }
  // Rows for work that is not divided by units, such as copies.
  Range copied_rows(Index active) const {
    return by_units ? share_of(active, rank, team->size()) : active_rows(active);
  }
};

}  // namespace pyrnn
