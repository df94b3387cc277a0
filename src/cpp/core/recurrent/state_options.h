// SPDX-License-Identifier: Apache-2.0
// Options of all cells that change the states between two steps, each with its backward step. With h~ and c~ the states
// from the cell,
//
//   h_t = k*h~ + (1-k)*h_{t-1}      c_t = k*c~ + (1-k)*c_{t-1}      (zoneout, Krueger et al. 2016)
//   W_hh multiplies h_in = d*h_t                                    (recurrent dropout, Gal and Ghahramani 2016)
//
// In training k is 0 with probability `zoneout`, else 1, drawn for each step; d is 0 with probability
// `recurrent_dropout`, else 1/(1-p), drawn once for a sequence. In inference k = 1 - zoneout and d = 1.
#pragma once

#include "core/operations/dropout.h"
#include "core/recurrent/buffers.h"
#include "core/recurrent/member.h"
#include "core/recurrent/sequences.h"

namespace pyrnn {

// Exactly `fresh` for k = 1, and exactly `previous` for k = 0.
template <class T>
T zoned(T k, T fresh, T previous) {
  return k * fresh + (T(1) - k) * previous;
}

// Which states the options change; `training`: with everything that is drawn.
inline ChangedStates changed_states(const CellOptions& options, bool training) {
  return {.h_in = training && options.recurrent_dropout > 0, .h = options.zoneout > 0, .c = options.zoneout_cell > 0};
}

template <class T>
class StateOptions {
 public:
  // key: null in inference.
  StateOptions(const StackShape& shape, const Batch& batch, const kernels::Kernels<T>& k, const DropoutKey* key)
      : shape_(shape),
        batch_(batch),
        k_(k),
        key_(key),
        width_(shape, k.lanes),
        changed_(changed_states(shape.options, key != nullptr)) {}

  const ChangedStates& changed() const { return changed_; }
  bool any() const { return changed_.h_in || changed_.h || changed_.c; }

  void want(Arena& arena) {
    arena.want(keep_h_, changed_.h ? batch_.rows() : 0, width_.output);
    arena.want(keep_c_, changed_.c ? batch_.rows() : 0, width_.state);
    arena.want(drop_, changed_.h_in ? batch_.rows() : 0, width_.output);
  }

  // Before the first step of a direction. Members that share units have to meet after it.
  void begin(const Member& me, const Place& at) const {
    const Range rows = me.copied_rows(batch_.rows());
    if (changed_.h_in) draw(rows, at, kDrop, shape_.options.recurrent_dropout, shape_.output(), nullptr);
    if (key_) return;
    if (changed_.h) expect(rows, shape_.options.zoneout, width_.output, keep_h_);
    if (changed_.c) expect(rows, shape_.options.zoneout_cell, width_.state, keep_c_);
  }
  // Before one of its steps is worked on, in either pass.
  void draw_step(const Member& me, const Place& at, Index step) const {
    if (!key_) return;
    const Range rows = me.copied_rows(at.walk.active(step));
    if (changed_.h) draw(rows, at, kZoneH, shape_.options.zoneout, shape_.output(), &step);
    if (changed_.c) draw(rows, at, kZoneC, shape_.options.zoneout_cell, shape_.hidden, &step);
  }

  // What a step's cell made becomes the states. The step's rows begin at `row` of the buffers, those before at
  // `previous`.
  void finish_step(const Member& me, const Place& at, Index step, const StepBuffers<T>& to, Index row,
                   Index previous) const {
    draw_step(me, at, step);
    const Range rows = me.copied_rows(at.walk.active(step));
    const auto zone = [&](const T* keep, Index columns, Index width, const T* fresh, T* state) {
      for (Index j = rows.begin; j < rows.end; ++j)
        for (Index i = 0; i < columns; ++i)
          state[(row + j) * width + i] =
              zoned(keep[j * width + i], fresh[(row + j) * width + i], state[(previous + j) * width + i]);
    };
    if (changed_.h) zone(keep_h_, shape_.output(), width_.output, to.h_new, to.h);
    if (changed_.c) zone(keep_c_, shape_.hidden, width_.state, to.c_new, to.c);
    make_h_in(rows, to, row);
  }
  // Of a batch row: the gradients of h_t and c_t become those of h~, in d_h_new, and of c~, in place. What goes past
  // the cell to the states before is left in d_h and d_c_past.
  void finish_step_backward(Index row, T* d_h, T* d_h_new, T* d_c, T* d_c_past) const {
    const auto zone = [](const T* keep, Index columns, const T* d_state, T* d_fresh, T* d_previous) {
      for (Index i = 0; i < columns; ++i) {
        const T whole = d_state[i];
        d_fresh[i] = keep ? keep[i] * whole : whole;
        d_previous[i] = keep ? (T(1) - keep[i]) * whole : T(0);
      }
    };
    zone(changed_.h ? keep_h_ + row * width_.output : nullptr, shape_.output(), d_h, d_h_new, d_h);
    if (changed_.c) zone(keep_c_ + row * width_.state, shape_.hidden, d_c, d_c, d_c_past);
  }

  // h_in of some rows of a step, also of the states in which a sequence begins.
  void make_h_in(Range rows, const StepBuffers<T>& to, Index row) const {
    for (Index j = rows.begin; changed_.h_in && j < rows.end; ++j)
      for (Index i = 0; i < shape_.output(); ++i)
        to.h_in[(row + j) * width_.output + i] = to.h[(row + j) * width_.output + i] * drop_[j * width_.output + i];
  }
  // d_h of a batch row += the gradient that comes from its h_in.
  void make_h_in_backward(Index row, const T* d_h_in, T* d_h) const {
    const T* scale = h_in_scale(row);
    for (Index i = 0; i < shape_.output(); ++i) d_h[i] += scale ? scale[i] * d_h_in[i] : d_h_in[i];
  }
  // h_in / h of a batch row; null: 1.
  const T* h_in_scale(Index row) const { return changed_.h_in ? drop_ + row * width_.output : nullptr; }

 private:
  enum Kind { kZoneH = 1, kZoneC, kDrop };

  // Masks of their own for each kind, direction and layer; dropout between layers has those below 2^32.
  void draw(Range rows, const Place& at, Kind kind, double p, Index columns, const Index* step) const {
    const auto stream = static_cast<std::uint64_t>(2 * kind + at.direction) << 32;
    kernels::DropoutRow<T> call =
        dropout_row_of<T>({p, key_->seed, key_->draw, stream + static_cast<std::uint64_t>(at.layer), key_->first_row});
    if (kind != kDrop) call.scale = p < 1 ? T(1) : T(0);
    call.units = columns;
    for (Index j = rows.begin; j < rows.end; ++j) {
      T* mask = kind == kZoneC ? keep_c_ + j * width_.state : (kind == kZoneH ? keep_h_ : drop_) + j * width_.output;
      std::fill_n(mask, columns, T(1));
      call.row = key_->first_row + static_cast<std::uint32_t>(batch_.caller_row(j));
      call.time = step ? static_cast<std::uint32_t>(batch_.start(j) + at.walk.time(*step, j)) : 0;
      call.x = call.y = mask;
      k_.elementwise.dropout_row(call);
    }
  }
  void expect(Range rows, double p, Index width, T* keep) const {
    std::fill_n(keep + rows.begin * width, rows.size() * width, static_cast<T>(1 - p));
  }

  const StackShape& shape_;
  const Batch& batch_;
  const kernels::Kernels<T>& k_;
  const DropoutKey* const key_;
  const RowWidths<T> width_;
  const ChangedStates changed_;
  T* keep_h_ = nullptr;  // [B][P]
  T* keep_c_ = nullptr;  // [B][H]
  T* drop_ = nullptr;  // [B][P]
};

}  // namespace pyrnn
