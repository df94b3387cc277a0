// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/batch.h"

#include <algorithm>
#include <numeric>

namespace pyrnn {

Batch::Batch(Index steps, Index rows, const std::int64_t* lengths, Resets resets, bool packed_arrays)
    : caller_rows_(rows),
      rows_(rows),
      steps_(rows == 0 ? 0 : steps),
      packed_arrays_(packed_arrays),
      resets_to_given_(resets.to_given) {
  const bool ragged = lengths && !std::all_of(lengths, lengths + rows, [&](std::int64_t n) { return n == steps; });
  padded_ = ragged && !packed_arrays;
  uniform_ = !ragged;
  if (uniform_ && !resets.at) return;
  const std::vector<Piece> pieces = cut(lengths, resets.at);
  rows_ = static_cast<Index>(pieces.size());
  uniform_ = !ragged && rows_ == caller_rows_;
  if (!uniform_) sort(pieces);
}

// The pieces in the order of the caller's rows and steps. Those of no step are left out, unless a row has no other.
std::vector<Batch::Piece> Batch::cut(const std::int64_t* lengths, const std::uint8_t* resets) {
  std::vector<Piece> pieces;
  std::vector<Index> first(1, 0);
  std::vector<bool> at_once(at(caller_rows_), false);
  bool any = false;
  for (Index row = 0; row < caller_rows_; ++row) {
    const Index length = lengths ? static_cast<Index>(lengths[row]) : steps_;
    Index start = 0;
    for (Index t = 0; resets && t < length; ++t) {
      if (!resets[t * caller_rows_ + row]) continue;
      any = true;
      if (t == 0)
        at_once[at(row)] = true;
      else
        pieces.push_back({row, start, t - start});
      start = t;
    }
    pieces.push_back({row, start, length - start});
    first.push_back(static_cast<Index>(pieces.size()));
  }
  if (any) {
    first_piece_ = std::move(first);
    reset_at_once_ = std::move(at_once);
  }
  return pieces;
}

void Batch::sort(const std::vector<Piece>& pieces) {
  state_row_.resize(pieces.size());
  std::iota(state_row_.begin(), state_row_.end(), Index{0});
  std::stable_sort(state_row_.begin(), state_row_.end(),
                   [&](Index a, Index b) { return pieces[at(a)].length > pieces[at(b)].length; });
  piece_.reserve(pieces.size());
  for (Index piece : state_row_) piece_.push_back(pieces[at(piece)]);
  steps_ = piece_.empty() ? 0 : piece_.front().length;
  offset_.reserve(at(steps_ + 1));
  offset_.push_back(0);
  Index active = rows_;
  for (Index t = 0; t < steps_; ++t) {
    while (piece_[at(active - 1)].length <= t) --active;
    offset_.push_back(offset_.back() + active);
  }
}

Index Batch::step_of(Index packed_row) const {
  if (uniform_) return packed_row / larger(1, rows_);
  return std::upper_bound(offset_.begin(), offset_.end(), packed_row) - offset_.begin() - 1;
}

}  // namespace pyrnn
