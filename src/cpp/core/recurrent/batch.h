// SPDX-License-Identifier: Apache-2.0
// A batch of sequences as the drivers see it: the longest rows first, so that at each step the active ones come first.
#pragma once

#include <vector>

#include "core/dims.h"
#include "core/runtime/shares.h"

namespace pyrnn {

// How far apart an array of sequences has its steps and its rows, whose columns lie side by side: (T, B, columns) and
// (B, T, columns) differ in nothing else.
struct Strides {
  Index step, row;
};

// Before which steps the caller's rows begin again, from zero or from the given state.
struct Resets {
  const std::uint8_t* at = nullptr;  // [steps][rows]; null: before none
  bool to_given = false;
};

// The rows of a pass. Resets cut each of the caller's rows into pieces, and each piece is a row by itself: it has steps
// of its own, from 0 to length(row), which are the caller's from start(row) on, and states of its own. Without resets
// the caller's rows are the pieces.
//
// Packed rows: all real steps of all rows, step by step; row j of step t is packed row offset(t) + j.
class Batch {
 public:
  // lengths [rows], each in [0, steps], or null: all are `steps`. Ties keep their order. packed_arrays: the caller's
  // sequences have packed rows, too; lengths are then descending, and there are no resets.
  Batch(Index steps, Index rows, const std::int64_t* lengths, Resets resets = {}, bool packed_arrays = false);

  Index rows() const { return rows_; }                  // B
  Index steps() const { return steps_; }                // of the longest row
  Index packed_rows() const { return offset(steps_); }  // R
  bool uniform() const { return uniform_; }             // every row has every step of the arrays
  bool packed_arrays() const { return packed_arrays_; }
  bool padded() const { return padded_; }               // the caller's arrays have steps that no row has
  Index active(Index step) const { return step < steps_ ? offset(step + 1) - offset(step) : 0; }
  Index offset(Index step) const { return uniform_ ? step * rows_ : offset_[at(step)]; }
  Index step_of(Index packed_row) const;                // the step t with offset(t) <= packed_row < offset(t + 1)
  Index length(Index row) const { return uniform_ ? steps_ : piece_[at(row)].length; }

  // Where a row's steps lie in the caller's sequences, which dropout's masks follow, too.
  Index caller_rows() const { return caller_rows_; }
  Index caller_row(Index row) const { return uniform_ ? row : piece_[at(row)].caller_row; }
  Index start(Index row) const { return uniform_ ? 0 : piece_[at(row)].start; }

  // Where its states lie in arrays of them: pieces in the order of the caller's rows and steps.
  Index state_row(Index row) const { return uniform_ ? row : state_row_[at(row)]; }
  // The caller's states are not those of the rows (piece_states.h).
  bool has_resets() const { return !first_piece_.empty(); }
  Range pieces_of(Index caller_row) const { return {first_piece_[at(caller_row)], first_piece_[at(caller_row + 1)]}; }
  // Whether a piece starts from the state that the caller gives for a direction.
  bool starts_from_given(Index caller_row, Index piece, bool reverse) const {
    if (resets_to_given_) return true;
    const Range pieces = pieces_of(caller_row);
    return reverse ? piece + 1 == pieces.end : piece == pieces.begin && !reset_at_once_[at(caller_row)];
  }

 private:
  struct Piece {
    Index caller_row, start, length;
  };
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  std::vector<Piece> cut(const std::int64_t* lengths, const std::uint8_t* resets);
  void sort(const std::vector<Piece>& pieces);

  Index caller_rows_, rows_, steps_;
  bool packed_arrays_, padded_, uniform_, resets_to_given_;
  // Of batches that are not uniform:
  std::vector<Index> offset_;     // [steps + 1]
  std::vector<Piece> piece_;      // [rows], lengths descending
  std::vector<Index> state_row_;  // [rows]
  // Of batches with resets:
  std::vector<Index> first_piece_;   // [caller_rows + 1]
  std::vector<bool> reset_at_once_;  // [caller_rows]: before step 0
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
