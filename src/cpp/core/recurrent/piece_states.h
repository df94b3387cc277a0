// SPDX-License-Identifier: Apache-2.0
// The states of a call with resets, of which a pass has one for each piece of a row (batch.h): the caller's initial
// state goes to the pieces that start from it, and the final one is that of the piece in which a direction ends.
// Gradients go back the same ways. Without resets, nothing in this file has an effect.
#pragma once

#include <algorithm>
#include <utility>

#include "core/recurrent/sequences.h"
#include "core/recurrent/shape.h"
#include "core/runtime/arena.h"

namespace pyrnn {

template <class T>
class PieceStates {
 public:
  PieceStates(const StackShape& shape, const Batch& batch)
      : shape_(shape), batch_(batch), states_(shape.layers * shape.directions) {
    if (!batch.has_resets()) return;
    for (T** h : {&first_h_, &last_h_}) arena_.want(*h, states_ * batch.rows(), shape.output());
    for (T** c : {&first_c_, &last_c_}) arena_.want(*c, shape.has_c() ? states_ * batch.rows() : 0, shape.hidden);
    arena_.allocate();
  }

  // The caller's arrays, with the pieces' states for the rows'.
  Sequences<T> start(const Sequences<T>& caller) const {
    if (!batch_.has_resets()) return caller;
    Sequences<T> of = caller;
    of.h0 = spread_to_starts(caller.h0, shape_.output(), first_h_);
    of.c0 = spread_to_starts(caller.c0, shape_.hidden, first_c_);
    of.hn = last_h_;
    of.cn = last_c_;
    return of;
  }
  // After the pass: hn and cn.
  void finish(const Sequences<T>& caller) const {
    if (!batch_.has_resets()) return;
    take_from_ends(last_h_, shape_.output(), caller.hn);
    if (shape_.has_c()) take_from_ends(last_c_, shape_.hidden, caller.cn);
  }

  SequenceGradients<T> start_backward(const SequenceGradients<T>& caller) const {
    if (!batch_.has_resets()) return caller;
    SequenceGradients<T> of = caller;
    of.dhn = spread_to_ends(caller.dhn, shape_.output(), last_h_);
    of.dcn = spread_to_ends(caller.dcn, shape_.hidden, last_c_);
    of.dh0 = first_h_;
    of.dc0 = first_c_;
    return of;
  }
  void finish_backward(const SequenceGradients<T>& caller) const {
    if (!batch_.has_resets()) return;
    add_from_starts(first_h_, shape_.output(), caller.dh0);
    if (shape_.has_c()) add_from_starts(first_c_, shape_.hidden, caller.dc0);
  }

 private:
  // Calls f(row of the caller's states, row of the pieces', whether it is the first) for the pieces that start from the
  // caller's, in their order.
  template <class F>
  void each_start(F&& f) const {
    for (Index state = 0; state < states_; ++state)
      for (Index row = 0; row < batch_.caller_rows(); ++row) {
        const Range pieces = batch_.pieces_of(row);
        bool first = true;
        for (Index piece = pieces.begin; piece < pieces.end; ++piece)
          if (batch_.starts_from_given(row, piece, reversed(state)))
            f(state * batch_.caller_rows() + row, state * batch_.rows() + piece, std::exchange(first, false));
      }
  }
  // For those in which the rows end.
  template <class F>
  void each_end(F&& f) const {
    for (Index state = 0; state < states_; ++state)
      for (Index row = 0; row < batch_.caller_rows(); ++row) {
        const Range pieces = batch_.pieces_of(row);
        f(state * batch_.caller_rows() + row,
          state * batch_.rows() + (reversed(state) ? pieces.begin : pieces.end - 1));
      }
  }
  bool reversed(Index state) const { return shape_.reversed(state % shape_.directions); }

  const T* spread_to_starts(const T* caller, Index columns, T* pieces) const {
    if (!caller) return nullptr;
    std::fill_n(pieces, states_ * batch_.rows() * columns, T(0));
    each_start(
        [&](Index row, Index piece, bool) { std::copy_n(caller + row * columns, columns, pieces + piece * columns); });
    return pieces;
  }
  void add_from_starts(const T* d_pieces, Index columns, T* d_caller) const {
    std::fill_n(d_caller, states_ * batch_.caller_rows() * columns, T(0));
    each_start([&](Index row, Index piece, bool first) {
      const T* d = d_pieces + piece * columns;
      T* sum = d_caller + row * columns;
      for (Index i = 0; i < columns; ++i) sum[i] = first ? d[i] : sum[i] + d[i];
    });
  }
  void take_from_ends(const T* pieces, Index columns, T* caller) const {
    each_end([&](Index row, Index piece) { std::copy_n(pieces + piece * columns, columns, caller + row * columns); });
  }
  const T* spread_to_ends(const T* d_caller, Index columns, T* d_pieces) const {
    if (!d_caller) return nullptr;
    std::fill_n(d_pieces, states_ * batch_.rows() * columns, T(0));
    each_end(
        [&](Index row, Index piece) { std::copy_n(d_caller + row * columns, columns, d_pieces + piece * columns); });
    return d_pieces;
  }

  const StackShape& shape_;
  const Batch& batch_;
  const Index states_;  // L*D
  Arena arena_;
  T* first_h_ = nullptr;  // [L*D][pieces][P]: those in which the pieces start, or their gradients
  T* first_c_ = nullptr;  // [L*D][pieces][H]
  T* last_h_ = nullptr;   // [L*D][pieces][P]: those in which they end
  T* last_c_ = nullptr;   // [L*D][pieces][H]
};

}  // namespace pyrnn
