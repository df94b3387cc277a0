// SPDX-License-Identifier: Apache-2.0
// The inputs of a backward pass at each step: the dy of one direction, separated where the directions were merged, and
// the gradients of the cells.
#pragma once

#include "core/recurrent/member.h"
#include "core/recurrent/saved.h"

namespace pyrnn {

// dy of a step's rows, and the stride of its rows; null where there is none.
template <class T>
struct OutputGradient {
  const T* data;
  Index row_stride;
};

template <class T>
class OutputGradients {
 public:
  OutputGradients(const Saved<T>& saved, const kernels::Kernels<T>& k, const SequenceGradients<T>& gradients,
                  const LayerBuffers<T>& d_layers)
      : saved_(saved),
        k_(k),
        shape_(saved.tape.shape),
        batch_(saved.tape.batch),
        grad_(gradients),
        d_layers_(d_layers) {}
  void want(Arena& arena) { arena.want(gathered_, batch_.rows(), shape_.output()); }

  // From `rows.begin` on.
  OutputGradient<T> rows(const Member& me, const Place& at, Index step, Range rows) const {
    const Index P = shape_.output();
    const bool merged = shape_.merges();
    const Rows<const T> d_y = output(at.layer).columns_from(merged ? 0 : at.direction * P);
    if (!d_y) return {nullptr, 0};
    const bool as_it_is = !merged || shape_.merge == Merge::sum;
    if (as_it_is && d_y.regular() && !at.walk.own_order()) {
      if (step > 0 && !d_y.contiguous()) fetch(d_y, at.walk.time(step - 1, 0), rows);
      return {d_y.at(at.walk.time(step, 0), rows.begin), d_y.row_stride()};
    }
    const Range mine = me.copied_rows(at.walk.active(step));
    gather_step(d_y, {at.walk, step, mine}, P, gathered_ + mine.begin * P, P);
    if (!as_it_is) take_apart(at, step, mine);
    me.meet();
    return {gathered_ + rows.begin * P, P};
  }

  // d_c += dcells of the step.
  void add_cells(const Member& me, const Place& at, Index step, T* d_c, Index d_c_row) const {
    if (!grad_.dcells || at.layer + 1 < shape_.layers) return;
    const Index H = shape_.hidden;
    const Rows<const T> cells =
        Rows<const T>::of_caller(grad_.dcells, batch_, grad_.dcells_strides).columns_from(at.direction * H);
    const Range mine = me.copied_rows(at.walk.active(step));
    for (Index j = mine.begin; j < mine.end; ++j)
      k_.elementwise.add_to(d_c + j * d_c_row, cells.at(at.walk.time(step, j), j), H);
    me.meet();
  }

 private:
  Rows<const T> output(Index layer) const {
    if (layer + 1 < shape_.layers) return d_layers_.rows(layer + 1, batch_, shape_).read_only();
    return Rows<const T>::of_caller(grad_.dy, batch_, grad_.dy_strides);
  }

  // Rows that are far apart in memory, those of the step that comes next, into the cache.
  void fetch(const Rows<const T>& d_y, Index time, Range rows) const {
    constexpr Index kLine = 64 / sizeof(T);
    for (Index j = rows.begin; j < rows.end; ++j)
      for (Index k = 0; k < shape_.output(); k += kLine) __builtin_prefetch(d_y.at(time, j) + k);
  }

  // y = (h + h')/2 or h*h' of both directions: dh = dy/2 or dy*h'.
  void take_apart(const Place& at, Index step, Range rows) const {
    const Index P = shape_.output();
    if (rows.empty()) return;
    if (shape_.merge == Merge::average)
      return k_.elementwise.scale(gathered_ + rows.begin * P, rows.size() * P, T(0.5));
    for (Index j = rows.begin; j < rows.end; ++j)
      k_.elementwise.multiply_by(gathered_ + j * P,
                                 saved_.output_at(at.layer, 1 - at.direction, at.walk.time(step, j), j), P);
  }

  const Saved<T>& saved_;
  const kernels::Kernels<T>& k_;
  const StackShape& shape_;
  const Batch& batch_;
  const SequenceGradients<T>& grad_;
  const LayerBuffers<T>& d_layers_;
  T* gathered_ = nullptr;  // [B][P]
};

}  // namespace pyrnn
