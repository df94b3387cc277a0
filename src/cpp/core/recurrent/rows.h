// SPDX-License-Identifier: Apache-2.0
// Rows of a sequence array, addressed by time step and by the batch's own row order.
#pragma once

#include <algorithm>

#include "core/recurrent/batch.h"
#include "core/runtime/shares.h"

namespace pyrnn {

template <class T>
class Rows {
 public:
  // The caller's array, of whose row batch.caller_row(j) row j is a piece; of packed arrays row j.
  static Rows of_caller(T* data, const Batch& batch, Strides strides) {
    if (batch.packed_arrays()) return packed(data, batch, strides.row, 0);
    return {data, batch, strides.row, strides.step, false};
  }
  // [T][B][columns], or [R][columns].
  static Rows of_caller(T* data, const Batch& batch, Index columns) {
    return of_caller(data, batch, {batch.caller_rows() * columns, columns});
  }
  // A buffer of packed rows that begins with the batch's packed row `first`.
  static Rows packed(T* data, const Batch& batch, Index row_stride, Index first) {
    return {data, batch, row_stride, 0, true, first};
  }

  T* at(Index time, Index row) const {
    return packed_ ? data_ + (batch_->offset(time) - first_ + row) * row_stride_
                   : data_ + (batch_->start(row) + time) * step_stride_ + batch_->caller_row(row) * row_stride_;
  }
  Rows<const T> read_only() const { return {data_, *batch_, row_stride_, step_stride_, packed_, first_}; }
  Rows columns_from(Index first) const {
    Rows part = *this;
    if (data_) part.data_ += first;
    return part;
  }
  explicit operator bool() const { return data_ != nullptr; }
  Index row_stride() const { return row_stride_; }
  // The rows of one step are evenly spaced.
  bool regular() const { return packed_ || batch_->uniform(); }
  // All rows are evenly spaced in packed order.
  bool contiguous() const { return packed_ || (batch_->uniform() && step_stride_ == batch_->rows() * row_stride_); }

 private:
  template <class U>
  friend class Rows;
  Rows(T* data, const Batch& batch, Index row_stride, Index step_stride, bool packed, Index first = 0)
      : data_(data),
        batch_(&batch),
        row_stride_(row_stride),
        step_stride_(step_stride),
        first_(first),
        packed_(packed) {}
  T* data_;
  const Batch* batch_;
  Index row_stride_, step_stride_, first_;
  bool packed_;
};

// One row into a row that may be longer, whose rest is zero; null: zero.
template <class T>
void copy_padded(const T* from, Index columns, T* to, Index to_columns) {
  const Index copied = from ? columns : 0;
  if (from) std::copy_n(from, columns, to);
  std::fill(to + copied, to + to_columns, T(0));
}

// Some rows of one step of a direction, in its own order.
struct StepRows {
  const Walk& walk;
  Index step;
  Range rows;
};
// Between that order and an array in time order.
template <class T>
void gather_step(const Rows<const T>& from, const StepRows& of, Index columns, T* to, Index to_row) {
  for (Index j = of.rows.begin; j < of.rows.end; ++j, to += to_row)
    std::copy_n(from.at(of.walk.time(of.step, j), j), columns, to);
}
template <class T>
void scatter_step(const T* from, Index from_row, const StepRows& of, Index columns, const Rows<T>& to) {
  for (Index j = of.rows.begin; j < of.rows.end; ++j, from += from_row)
    std::copy_n(from, columns, to.at(of.walk.time(of.step, j), j));
}

}  // namespace pyrnn
