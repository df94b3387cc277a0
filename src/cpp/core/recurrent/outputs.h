// SPDX-License-Identifier: Apache-2.0
// The outputs of a forward pass. Each step's h, merged with the other direction's, goes to the next layer or to y, and
// c goes to the cells. The states of rows that end are outputs, too.
#pragma once

#include "core/recurrent/dropped.h"
#include "core/recurrent/forward.h"
#include "core/recurrent/member.h"

namespace pyrnn {

template <class T, class W>
class Outputs {
 public:
  Outputs(const ForwardJob<T, W>& job, const kernels::Kernels<T>& k, const LayerBuffers<T>& layers)
      : job_(job),
        k_(k),
        shape_(job.shape),
        batch_(job.batch),
        seq_(job.sequences),
        width_(shape_, k.lanes),
        layers_(layers) {}

  // The state of row j, of which a row of h and c is given, to hn and cn.
  void store_state(const Place& at, Index j, const T* h, const T* c) const {
    const Index state = (at.layer * shape_.directions + at.direction) * batch_.rows() + batch_.state_row(j);
    std::copy_n(h, shape_.output(), seq_.hn + state * shape_.output());
    if (shape_.has_c()) std::copy_n(c, shape_.hidden, seq_.cn + state * shape_.hidden);
  }

  // One step of a direction, whose rows begin at h and c.
  void emit(const Member& me, const Place& at, Index step, const T* h, const T* c) const {
    const Range rows = me.copied_rows(at.walk.active(step));
    if (rows.empty()) return;
    const Index P = shape_.output(), H = shape_.hidden, h_row = width_.output, c_row = width_.state;
    const auto scatter = [&](const T* data, Index row, Index columns, const Rows<T>& to) {
      if (to) scatter_step(data + rows.begin * row, row, {at.walk, step, rows}, columns, to);
    };
    if (shape_.merges() && at.direction == 1)
      merge(at.walk, step, rows, h, h_row, output(at.layer));
    else
      scatter(h, h_row, P, output(at.layer).columns_from(at.direction * P));
    scatter(h, h_row, P, kept_h(at));
    if (at.layer + 1 == shape_.layers) scatter(c, c_row, H, cells().columns_from(at.direction * H));
    const Index going_on = step + 1 < job_.scope.steps.end ? at.walk.active(step + 1) : 0;
    for (Index j = larger(rows.begin, going_on); j < rows.end; ++j)
      store_state(at, j, h + j * h_row, row_of(c, j, c_row));
  }

  // Dropout on what the layer gave, once all its directions have.
  void drop(const Member& me, Index layer) const {
    const bool all = job_.scope.directions.end == shape_.directions;
    if (!job_.key || shape_.dropout == 0 || layer + 1 == shape_.layers || !all || !output(layer)) return;
    Segment times = job_.scope.steps;
    if (shape_.reads_backwards()) {  // its last steps come first
      if (times.end < batch_.steps()) return;
      times.begin = 0;
    }
    drop_rows(k_, me.copied_rows(batch_.rows()), times, batch_, {shape_, *job_.key, layer}, output(layer));
  }

 private:
  Rows<T> output(Index layer) const {
    if (layer + 1 < shape_.layers) return layers_.rows(layer + 1, batch_, shape_);
    return Rows<T>::of_caller(seq_.y, batch_, shape_.layer_output());
  }
  Rows<T> cells() const { return Rows<T>::of_caller(seq_.cells, batch_, shape_.directions * shape_.hidden); }
  Rows<T> kept_h(const Place& at) const {
    const std::size_t i = static_cast<std::size_t>(at.layer * shape_.directions + at.direction);
    return Rows<T>::packed(layers_.h.empty() ? nullptr : layers_.h[i], batch_, shape_.output(), layers_.first_row);
  }

  // The reverse direction's h into the forward direction's, which lies there.
  void merge(const Walk& walk, Index step, Range rows, const T* h, Index h_row, const Rows<T>& to) const {
    if (!to) return;
    const auto& k = k_.elementwise;
    const auto into = shape_.merge == Merge::mul       ? k.multiply_by
                      : shape_.merge == Merge::average ? k.average_with
                                                       : k.add_to;
    for (Index j = rows.begin; j < rows.end; ++j) into(to.at(walk.time(step, j), j), h + j * h_row, shape_.output());
  }

  const ForwardJob<T, W>& job_;
  const kernels::Kernels<T>& k_;
  const StackShape& shape_;
  const Batch& batch_;
  const Sequences<T>& seq_;
  const RowWidths<T> width_;
  const LayerBuffers<T>& layers_;
};

}  // namespace pyrnn
