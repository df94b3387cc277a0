// SPDX-License-Identifier: Apache-2.0
// The transitions of a CRF as the kernels read them. Beginning and end are ordinary steps: the first comes from one
// state before all tags, and the last goes to one state after them.
#pragma once

#include <algorithm>
#include <limits>

#include "core/operations/crf.h"
#include "core/runtime/arena.h"
#include "core/runtime/pieces.h"

namespace pyrnn {

template <class T>
class CrfTables {
 public:
  explicit CrfTables(const CrfScores<T>& scores)
      : tags_(scores.of.columns), lanes_(kernels::of_type<T>(active_kernels()).lanes) {
    arena_.want(forward_, tags_, width());
    arena_.want(backward_, tags_, width());
    arena_.want(start_, width());
    arena_.want(end_, tags_, lanes_);
    arena_.want(end_backward_, width());
    arena_.allocate();
    for (T* table : {forward_, backward_}) std::fill_n(table, tags_ * width(), kNone);
    for (T* table : {start_, end_backward_}) std::fill_n(table, width(), kNone);
    std::fill_n(end_, tags_ * lanes_, kNone);
    for (Index i = 0; i < tags_; ++i) {
      start_[i] = scores.start[i];
      end_[i * lanes_] = end_backward_[i] = scores.end[i];
      for (Index j = 0; j < tags_; ++j)
        forward_[i * width() + j] = backward_[j * width() + i] = scores.transitions[i * tags_ + j];
    }
  }

  static constexpr T kNone = -std::numeric_limits<T>::infinity();

  Index tags() const { return tags_; }
  Index width() const { return round_up(tags_, lanes_); }  // of a row of tags, padded
  Index from(Index t) const { return t == 0 ? 1 : tags_; }
  Index to(Index t, Index steps) const { return t == steps ? 1 : tags_; }
  // [from][to, padded] into step t, which is `steps` for the end
  const T* forward(Index t, Index steps) const { return t == 0 ? start_ : t == steps ? end_ : forward_; }
  // [to][from, padded]; not for the beginning
  const T* backward(Index t, Index steps) const { return t == steps ? end_backward_ : backward_; }

 private:
  Index tags_, lanes_;
  Arena arena_;
  T *forward_, *backward_, *start_, *end_, *end_backward_;
};

// Transitions of all steps and rows.
template <class T>
double work_of(const CrfScores<T>& scores) {
  const PooledRows& of = scores.of;
  return static_cast<double>(of.steps * of.rows) * static_cast<double>(of.columns * of.columns);
}

// The score of one path, in double.
template <class T>
double score_of_path(const CrfScores<T>& scores, const T* emissions, Index steps, const std::int64_t* path,
                     Index path_stride) {
  double score = scores.start[path[0]];
  for (Index t = 0; t < steps; ++t) {
    const Index tag = path[t * path_stride];
    score += emissions[t * scores.of.time_stride() + tag];
    if (t > 0) score += scores.transitions[path[(t - 1) * path_stride] * scores.of.columns + tag];
  }
  return score + scores.end[path[(steps - 1) * path_stride]];
}

}  // namespace pyrnn
