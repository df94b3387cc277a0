// SPDX-License-Identifier: Apache-2.0
#include "core/operations/ctc.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/runtime/arena.h"
#include "core/runtime/pieces.h"

namespace pyrnn {
namespace {

constexpr Index kMargin = 2;  // states that a step looks beyond its own, on either side

// The chain of a row with n labels has 2n + 1 states: blank, label, blank, ..., blank. Beginning and end are steps like
// all others: from a first blank before the first step, and to the last blank after the last step, which a final label
// reaches too.
template <class T>
class CtcPass {
 public:
  CtcPass(const CtcLogits<T>& logits, const CtcTargets& targets, const CtcLosses<T>& losses, int threads,
          Interrupt::Check check)
      : k_(kernels::of_type<T>(active_kernels()).structured),
        lanes_(kernels::of_type<T>(active_kernels()).lanes),
        logits_(logits),
        targets_(targets),
        scale_(losses.scale),
        zero_infinity_(losses.zero_infinity),
        losses_(losses.losses),
        d_logits_(losses.d_logits),
        interrupt_(check),
        threads_(threads_worth(kWorkOfElement * work_of_step() * static_cast<double>(logits.of.steps * logits.of.rows),
                               threads)),
        members_(static_cast<std::size_t>(threads_)) {
    row_ = round_up(2 * targets.most + 1, lanes_) + 2 * kMargin;
    const Index kept = d_logits_ ? longest_of(logits.of) + 2 : 2;
    for (Member& m : members_) {
      arena_.want(m.label, row_);
      arena_.want(m.softmax, logits.of.columns);
      for (T** rows : {&m.alpha, &m.shift, &m.sum}) arena_.want(*rows, kept, row_);
      for (T** row : {&m.skip, &m.emissions, &m.posterior, &m.before, &m.share}) arena_.want(*row, row_);
    }
    arena_.allocate();
    for (const Member& m : members_) {
      for (T* row : {m.skip, m.emissions}) std::fill_n(row, row_, kNone);
      for (T* row : {m.posterior, m.before, m.share}) std::fill_n(row, row_, T(0));
    }
  }

  bool run() {
    Queue queue;
    parallel(threads_, &interrupt_, [&](int rank, Team&) noexcept {
      queue.share(logits_.of.rows,
                  [&](Index row) noexcept { take(members_[static_cast<std::size_t>(rank)], row, rank); });
    });
    return !interrupt_.requested();
  }

 private:
  // One thread's memory. Rows of states have a margin on either side.
  struct Member {
    Index* label;  // of each state
    T *alpha, *shift, *sum;
    T *skip, *emissions;
    T *posterior, *before, *share;
    T* softmax;
  };
  static constexpr T kNone = -std::numeric_limits<T>::infinity();

  void take(const Member& m, Index row, int rank) noexcept {
    const PooledRows& of = logits_.of;
    const Index steps = of.lengths[row], states = 2 * targets_.lengths[row] + 1;
    set_chain(m, row, states);
    losses_[row] = forward(m, row, steps, states, rank);
    const bool dropped = zero_infinity_ && losses_[row] == std::numeric_limits<double>::infinity();
    if (dropped) losses_[row] = 0;
    if (!d_logits_) return;
    if (!dropped) backward(m, row, steps, states, rank);
    for (Index t = dropped ? 0 : steps; t < of.steps; ++t) std::fill_n(d_logits_ + at(row, t), of.columns, T(0));
  }

  // A label may follow another one without a blank between them, if they differ.
  void set_chain(const Member& m, Index row, Index states) noexcept {
    const std::int64_t* labels = targets_.labels + row * targets_.most;
    for (Index s = 0; s < states; ++s) m.label[s] = s % 2 ? static_cast<Index>(labels[s / 2]) : logits_.blank;
    T* skip = m.skip + kMargin;
    for (Index s = 0; s < states; ++s) skip[s] = s > 2 && s % 2 && m.label[s] != m.label[s - 2] ? T(0) : kNone;
    std::fill(skip + states, m.skip + row_, kNone);
    std::fill(m.emissions + kMargin + states, m.emissions + row_, kNone);
  }

  double forward(const Member& m, Index row, Index steps, Index states, int rank) noexcept {
    T* emissions = m.emissions + kMargin;
    std::fill_n(m.alpha, row_, kNone);
    states_of(m.alpha, 0)[0] = T(0);
    const Index padded = round_up(states, lanes_);
    double total = 0;
    for (Index t = 0; t <= steps && !interrupt_.requested(); ++t) {
      std::fill_n(states_of(m.alpha, t + 1) - kMargin, kMargin, kNone);
      std::fill_n(states_of(m.shift, t + 1) + padded, kMargin, T(0));
      if (t < steps) {
        emit(m, row, t, states);
      } else {
        std::fill_n(emissions, states, kNone);
        emissions[states - 1] = T(0);
      }
      total += k_.ctc_forward({.states = states,
                               .before = states_of(m.alpha, t),
                               .skip = m.skip + kMargin,
                               .emissions = emissions,
                               .shift = states_of(m.shift, t + 1),
                               .sum = states_of(m.sum, t + 1),
                               .alpha = states_of(m.alpha, t + 1)});
      interrupt_.poll(rank, kWorkOfElement * work_of_step());
    }
    total += states_of(m.alpha, steps + 1)[states - 1];  // 0, or -inf if there is no alignment
    return -total;
  }

  // The log-probability of each state's label at step t; leaves scale * softmax in d_logits.
  void emit(const Member& m, Index row, Index t, Index states) noexcept {
    const T* x = logits_.logits + at(row, t);
    T* softmax = d_logits_ ? d_logits_ + at(row, t) : m.softmax;
    const auto [largest, log_sum] =
        k_.scaled_softmax({.columns = logits_.of.columns, .scale = scale_[row], .x = x, .y = softmax});
    for (Index s = 0; s < states; ++s) m.emissions[kMargin + s] = (x[m.label[s]] - largest) - log_sum;
  }

  void backward(Member m, Index row, Index steps, Index states, int rank) noexcept {
    for (T* share : {m.share, m.posterior}) std::fill_n(share, row_, T(0));
    m.posterior[kMargin + states - 1] = scale_[row];
    for (Index t = steps; t > 0 && !interrupt_.requested(); --t) {
      k_.ctc_backward({.states = states,
                       .before = states_of(m.alpha, t),
                       .skip = m.skip + kMargin,
                       .shift = states_of(m.shift, t + 1),
                       .sum = states_of(m.sum, t + 1),
                       .posterior = m.posterior + kMargin,
                       .share = m.share + kMargin,
                       .posterior_before = m.before + kMargin});
      std::swap(m.posterior, m.before);
      T* d = d_logits_ + at(row, t - 1);
      for (Index s = 0; s < states; ++s) d[m.label[s]] -= m.posterior[kMargin + s];
      interrupt_.poll(rank, kWorkOfElement * work_of_step());
    }
  }

  Index at(Index row, Index t) const { return row * logits_.of.row_stride() + t * logits_.of.time_stride(); }
  T* states_of(T* rows, Index t) const { return rows + (d_logits_ ? t : t % 2) * row_ + kMargin; }
  double work_of_step() const { return static_cast<double>(logits_.of.columns + 6 * targets_.most + 3); }

  const kernels::StructuredKernels<T>& k_;
  Index lanes_;
  const CtcLogits<T>& logits_;
  const CtcTargets& targets_;
  const T* scale_;
  bool zero_infinity_;
  double* losses_;
  T* d_logits_;
  Interrupt interrupt_;
  int threads_;
  std::vector<Member> members_;
  Arena arena_;
  Index row_;
};

}  // namespace

template <class T>
bool ctc_loss(const CtcLogits<T>& logits, const CtcTargets& targets, const CtcLosses<T>& losses, int threads,
              Interrupt::Check check) {
  return CtcPass<T>(logits, targets, losses, threads, check).run();
}

template bool ctc_loss<float>(const CtcLogits<float>&, const CtcTargets&, const CtcLosses<float>&, int,
                              Interrupt::Check);
template bool ctc_loss<double>(const CtcLogits<double>&, const CtcTargets&, const CtcLosses<double>&, int,
                               Interrupt::Check);

}  // namespace pyrnn
