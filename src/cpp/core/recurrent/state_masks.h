// SPDX-License-Identifier: Apache-2.0
// Zoneout and recurrent dropout: what becomes of the states between two steps. With h~ and c~ what the cell made,
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

template <class T>
class StateMasks {
 public:
  // key: null in inference.
  StateMasks(const StackShape& shape, const Batch& batch, const kernels::Kernels<T>& k, const DropoutKey* key)
      : shape_(shape), batch_(batch), k_(k), key_(key), width_(shape, k.lanes) {}
  bool zones_h() const { return shape_.options.zoneout > 0; }
  bool zones_c() const { return shape_.options.zoneout_cell > 0; }
  bool drops() const { return key_ && shape_.options.recurrent_dropout > 0; }
  bool any() const { return zones_h() || zones_c() || drops(); }

  void want(Arena& arena) {
    arena.want(keep_h_, zones_h() ? batch_.rows() : 0, width_.output);
    arena.want(keep_c_, zones_c() ? batch_.rows() : 0, width_.state);
    arena.want(drop_, drops() ? batch_.rows() : 0, width_.output);
  }

  // Before the first step of a direction. Members that share units have to meet after it.
  void begin(const Member& me, const Place& at) const {
    const Range rows = me.copied_rows(batch_.rows());
    if (drops()) draw(rows, at, kDrop, shape_.options.recurrent_dropout, shape_.output(), nullptr);
    if (key_) return;
    if (zones_h()) expect(rows, shape_.options.zoneout, width_.output, keep_h_);
    if (zones_c()) expect(rows, shape_.options.zoneout_cell, width_.state, keep_c_);
  }
  // Before one of its steps is worked on, in either pass.
  void draw_step(const Member& me, const Place& at, Index step) const {
    if (!key_) return;
    const Range rows = me.copied_rows(at.walk.active(step));
    if (zones_h()) draw(rows, at, kZoneH, shape_.options.zoneout, shape_.output(), &step);
    if (zones_c()) draw(rows, at, kZoneC, shape_.options.zoneout_cell, shape_.hidden, &step);
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
    if (zones_h()) zone(keep_h_, shape_.output(), width_.output, to.h_new, to.h);
    if (zones_c()) zone(keep_c_, shape_.hidden, width_.state, to.c_new, to.c);
    if (drops()) drop(rows, to, row);
  }
  // h_in of some rows of a step.
  void drop(Range rows, const StepBuffers<T>& to, Index row) const {
    if (!drops()) return;
    for (Index j = rows.begin; j < rows.end; ++j)
      for (Index i = 0; i < shape_.output(); ++i)
        to.h_in[(row + j) * width_.output + i] = to.h[(row + j) * width_.output + i] * drop_[j * width_.output + i];
  }

  // The rows of k and d; null: 1.
  const T* keep_h(Index row) const { return zones_h() ? keep_h_ + row * width_.output : nullptr; }
  const T* keep_c(Index row) const { return zones_c() ? keep_c_ + row * width_.state : nullptr; }
  const T* dropped(Index row) const { return drops() ? drop_ + row * width_.output : nullptr; }

 private:
  enum Kind { kZoneH = 1, kZoneC, kDrop };

  // Masks of their own for each kind, direction and layer; dropout between layers has those below 2^32.
  void draw(Range rows, const Place& at, Kind kind, double p, Index columns, const Index* step) const {
    const auto stream = static_cast<std::uint64_t>(2 * kind + at.direction) << 32;
    kernels::DropoutRow<T> call =
        dropout_row_of<T>({p, key_->seed, key_->draw, stream + static_cast<std::uint64_t>(at.layer)});
    if (kind != kDrop) call.scale = p < 1 ? T(1) : T(0);
    call.units = columns;
    for (Index j = rows.begin; j < rows.end; ++j) {
      T* mask = kind == kZoneC ? keep_c_ + j * width_.state : (kind == kZoneH ? keep_h_ : drop_) + j * width_.output;
      std::fill_n(mask, columns, T(1));
      call.row = static_cast<std::uint32_t>(batch_.original(j));
      call.time = step ? static_cast<std::uint32_t>(at.walk.time(*step, j)) : 0;
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
  T* keep_h_ = nullptr;  // [B][P]
  T* keep_c_ = nullptr;  // [B][H]
  T* drop_ = nullptr;    // [B][P]
};

}  // namespace pyrnn
