// SPDX-License-Identifier: Apache-2.0
// The input's part of a layer and direction's gates, for many steps at once, before the first of them.
#pragma once

#include "core/recurrent/forward.h"
#include "core/recurrent/step.h"
#include "core/runtime/interrupt.h"

namespace pyrnn {

// One layer and direction in the forward pass, as one member sees it.
template <class T, class W>
struct ForwardPlace {
  Place at;
  const StepBuffers<T>& buffers;
  Rows<const T> input;
  Index input_columns;  // that are given: without the context
  bool gathers;         // the input is copied into the direction's own order first
  kernels::Left<T, W>* x;  // that copy, as the product reads it,
  Index x_row;          // and the stride of its rows
  kernels::Int8* pairs;  // where products take pairs: those of the chunk's x (pairs_at); else null
  Index pairs_row;
  const typename PackedWeights<T, W>::Direction& weights;
  Index chunk_step;  // rows of a step in buffers that hold one chunk (nothing is saved); 0: they hold all steps

  // Rows of the buffers: all steps of the scope in training, those of the chunk from step `first` on in inference.
  Index row(Index step, Index first) const { return chunk_step ? (step - first) * chunk_step : at.walk.row(step); }
  Index previous_row(Index step, Index first) const {
    return chunk_step ? (step - first - 1) * chunk_step : at.walk.previous_row(step);
  }
  // The first row, in memory, of the steps [first, end).
  Index lowest_row(Index first, Index end) const {
    return row(at.walk.backwards() && !chunk_step ? end - 1 : first, first);
  }
  BufferedStep rows(Range of, Index step, Index first) const {
    return {of.size(), row(step, first) + of.begin, previous_row(step, first) + of.begin, step % 2 == 1};
  }
};

template <class T, class W>
class InputProducts {
 public:
  InputProducts(const ForwardJob<T, W>& job, const kernels::Kernels<T, W>& k, const CellMaps& maps, Index gates_panel,
                Interrupt& interrupt)
      : shape_(job.shape), batch_(job.batch), k_(k), maps_(maps), gates_panel_(gates_panel), interrupt_(interrupt) {}

  void gather(const Member& me, const ForwardPlace<T, W>& p, Index first, Index end) const {
    for (Index step = first; step < end; ++step) {
      const Range mine = me.copied_rows(p.at.walk.active(step));
      kernels::Left<T, W>* to = p.x + (p.row(step, first) + mine.begin) * p.x_row;
      if constexpr (kernels::kLeftIsNarrow<W>)
        for (Index j = mine.begin; j < mine.end; ++j, to += p.x_row)
          k_.narrow_rows({1, p.input_columns, p.input.at(p.at.walk.time(step, j), j), 0, to, 0});
      else
        gather_step(p.input, {p.at.walk, step, mine}, p.input_columns, to, p.x_row);
    }
  }

  void pair(const Member& me, const ForwardPlace<T, W>& p, Index first, Index end) const {
    if constexpr (!kernels::kLeftIsNarrow<W>)
      for (Index step = first; step < end; ++step) {
        const Range mine = me.copied_rows(p.at.walk.active(step));
        if (mine.empty()) continue;
        const T* from = p.gathers ? p.x + (p.row(step, first) + mine.begin) * p.x_row
                                  : p.input.at(p.at.walk.time(step, 0), mine.begin);
        k_.narrow_rows({mine.size(), p.input_columns, from, p.gathers ? p.x_row : p.input.row_stride(),
                        p.pairs + (pairs_at(me, p, step, first, end) + mine.begin) * p.pairs_row, p.pairs_row});
      }
  }

  // gates = b + x*W_ih for the steps [first, end): panel by panel, so that each panel of W_ih is read once for all.
  // Where the rows of the steps lie one after the other in x and in the gates, they make one product.
  void multiply(const Member& me, const ForwardPlace<T, W>& p, Index first, Index end) {
    const bool in_order = p.pairs                     ? batch_.uniform() || !p.chunk_step
                          : kernels::kLeftIsNarrow<W> ? batch_.uniform() // x is a copy in this order
                          : batch_.uniform() ? p.input.contiguous() && (!p.chunk_step || !p.at.walk.backwards())
                                             : !p.chunk_step && (p.gathers || p.input.contiguous());
    const bool at_once = in_order && me.rows.size() == batch_.rows();
    for (Index panel = me.panels.begin; panel < me.panels.end; ++panel) {
      const bool next_follows = panel + 1 < me.panels.end;
      if (at_once)
        multiply_rows(me, p, panel,
                      {p.at.walk.backwards() && !p.chunk_step ? end - 1 : first,
                       first,
                       0,
                       {0, Segment{first, end}.rows(batch_)},
                       next_follows});
      for (Index step = first; step < end && !at_once; ++step)
        multiply_rows(me, p, panel,
                      {step, first, pairs_at(me, p, step, first, end), me.active_rows(p.at.walk.active(step)),
                       next_follows && step + 1 == end});
    }
  }

 private:
  // Where the pairs of a step's first row are. A member that sees all rows has them as the gates have theirs, so that
  // several steps make one product. Others do not wait for each other, and may be in chunks of other lengths: each row
  // has a place of its own in the step's whole batch.
  Index pairs_at(const Member& me, const ForwardPlace<T, W>& p, Index step, Index first, Index end) const {
    if (me.rows.size() == batch_.rows()) return p.row(step, first) - p.lowest_row(first, end);
    return (p.at.walk.backwards() && !p.chunk_step ? end - 1 - step : step - first) * batch_.rows();
  }

  // Rows from the first of `step` on, in the order of time.
  struct ProductRows {
    Index step;
    Index first;  // step of the chunk
    Index pairs;  // where those of that row are
    Range rows;
    bool next_follows;  // the product after this one is that of the next panel
  };
  void multiply_rows(const Member& me, const ForwardPlace<T, W>& p, Index panel, const ProductRows& of) {
    const Range rows = of.rows;
    if (rows.empty() || interrupt_.requested()) return;
    const Index I = p.input_columns, row = p.row(of.step, of.first) + rows.begin;
    kernels::LeftRows<T, W> x{p.x + row * p.x_row, p.x_row};
    if constexpr (!kernels::kLeftIsNarrow<W>) {
      if (p.pairs)
        x = kernels::narrow_left<T, W>(p.pairs, p.pairs_row).from(of.pairs + rows.begin);
      else if (!p.gathers)
        x = {p.input.at(p.at.walk.time(of.step, 0), rows.begin), p.input.row_stride()};
    }
    input_product<T>(k_, maps_.x, p.weights, panel,
                     {.rows = rows.size(),
                      .x = x,
                      .columns = I,
                      .gates = p.buffers.gates + row * 4 * k_.lanes,
                      .gates_panel = gates_panel_,
                      .next_follows = of.next_follows,
                      .weight_columns = shape_.layer_input(p.at.layer)});
    interrupt_.poll(me.rank, static_cast<double>(rows.size() * I * maps_.x.panel_size()));
  }

  const StackShape& shape_;
  const Batch& batch_;
  const kernels::Kernels<T, W>& k_;
  const CellMaps& maps_;
  const Index gates_panel_;
  Interrupt& interrupt_;
};

}  // namespace pyrnn
