// SPDX-License-Identifier: Apache-2.0
// A batch of sequences as the drivers see it: the longest rows first, so that at each step the active ones come first.
#pragma once

#include <vector>

#include "core/dims.h"

namespace pyrnn {

// How far apart an array of sequences has its steps and its rows, whose columns lie side by side: (T, B, columns) and
// (B, T, columns) differ in nothing else.
struct Strides {
  Index step, row;
};

// Packed rows: all real steps of all rows, step by step; row j of step t is packed row offset(t) + j.
class Batch {
 public:
  // lengths [rows], each in [0, steps], or null: all are `steps`. Ties keep their order. packed_arrays: the caller's
  // sequences have packed rows, too; lengths are then descending.
  Batch(Index steps, Index rows, const std::int64_t* lengths, bool packed_arrays = false);

  Index rows() const { return rows_; }                  // B
  Index steps() const { return steps_; }                // of the longest row
  Index packed_rows() const { return offset(steps_); }  // R
  bool uniform() const { return uniform_; }             // every row has every step of the arrays
  bool packed_arrays() const { return packed_arrays_; }
  Index active(Index step) const { return step < steps_ ? offset(step + 1) - offset(step) : 0; }
  Index offset(Index step) const { return uniform_ ? step * rows_ : offset_[at(step)]; }
  Index step_of(Index packed_row) const;                // the step t with offset(t) <= packed_row < offset(t + 1)
  Index original(Index row) const { return uniform_ ? row : original_[at(row)]; }
  Index length(Index row) const { return uniform_ ? steps_ : length_[at(row)]; }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  Index rows_, steps_;
  bool uniform_, packed_arrays_;
  // Of batches that are not uniform:
  std::vector<Index> offset_;    // [steps + 1]
  std::vector<Index> original_;  // [rows] of the caller's arrays
  std::vector<Index> length_;    // [rows], descending
};

// The steps of a direction, counted from where it starts, that the buffers hold: all, or a piece of a long sequence.
struct Segment {
  Index begin, end;
  Index rows(const Batch& batch) const { return batch.offset(end) - batch.offset(begin); }
};

// One direction's way through a batch: its step s, and where that step's rows lie in the buffers of a segment.
//
// The forward direction visits the packed rows in order. The reverse one visits them backwards where all rows are
// equally long; otherwise each row starts at its own end, and the direction works on a copy in its own order.
class Walk {
 public:
  Walk(const Batch& batch, bool reverse, Segment steps) : batch_(&batch), reverse_(reverse), steps_(steps) {}
  bool own_order() const { return reverse_ && !batch_->uniform(); }
  bool backwards() const { return reverse_ && batch_->uniform(); }
  Index active(Index step) const { return batch_->active(step); }
  Index row(Index step) const {
    if (backwards()) return (steps_.end - 1 - step) * batch_->rows();
    return batch_->offset(step) - batch_->offset(steps_.begin);
  }
  // The row before the first step: where the initial state lies, one step away from row(0).
  Index initial_row() const { return backwards() ? steps_.rows(*batch_) : -batch_->rows(); }
  Index previous_row(Index step) const { return step == steps_.begin ? initial_row() : row(step - 1); }
  // Its own inverse: the step at a time.
  Index time(Index step, Index row) const { return reverse_ ? batch_->length(row) - 1 - step : step; }

 private:
  const Batch* batch_;
  bool reverse_;
  Segment steps_;
};

// One layer and direction, and its way through the batch.
struct Place {
  Index layer, direction;
  Walk walk;
};

// Calls f(first, end) for the chunks of a weight gradient's sum among some steps, the last first: the order that makes
// a sequence processed in segments the same sum as the whole.
template <class F>
void for_each_chunk(Segment steps, Index batch_rows, F&& f) {
  if (steps.begin == steps.end) return;
  const Index chunk = chunk_steps(batch_rows);
  for (Index first = (steps.end - 1) / chunk * chunk; first >= steps.begin; first -= chunk)
    f(first, smaller(first + chunk, steps.end));
}

}  // namespace pyrnn
