// SPDX-License-Identifier: Apache-2.0
#include "core/operations/viterbi.h"

#include <vector>

#include "core/operations/crf_tables.h"

namespace pyrnn {
namespace {

template <class T>
class Viterbi {
 public:
  Viterbi(const CrfScores<T>& scores, std::int64_t* paths, double* values, int threads, Interrupt::Check check)
      : k_(kernels::of_type<T>(active_kernels()).structured),
        scores_(scores),
        paths_(paths),
        values_(values),
        tables_(scores),
        interrupt_(check),
        threads_(threads_worth(2 * work_of(scores), threads)),
        members_(static_cast<std::size_t>(threads_)) {
    for (Member& m : members_) {
      arena_.want(m.score, 2, tables_.width());
      arena_.want(m.best, longest_of(scores.of) + 1, tables_.width());
    }
    arena_.allocate();
  }

  bool run() {
    Queue queue;
    parallel(threads_, &interrupt_, [&](int rank, Team&) noexcept {
      queue.share(scores_.of.rows, [&](Index row) noexcept { take(row, rank); });
    });
    return !interrupt_.requested();
  }

 private:
  struct Member {
    T* score;                    // of the step before and of this one
    kernels::StepNumber<T>* best;  // [step][padded], the end last
  };

  void take(Index row, int rank) noexcept {
    const PooledRows& of = scores_.of;
    const Index steps = of.lengths[row], width = tables_.width();
    const T* emissions = scores_.emissions + row * of.row_stride();
    std::int64_t* path = paths_ + row * of.steps;
    std::fill(path + steps, path + of.steps, 0);
    values_[row] = 0;
    if (steps == 0) return;
    const Member& m = members_[static_cast<std::size_t>(rank)];
    m.score[0] = T(0);
    for (Index t = 0; t <= steps && !interrupt_.requested(); ++t) {
      k_.viterbi_step({.from = tables_.from(t),
                       .to = tables_.to(t, steps),
                       .transitions = tables_.forward(t, steps),
                       .before = m.score + t % 2 * width,
                       .emissions = t < steps ? emissions + t * of.time_stride() : nullptr,
                       .score = m.score + (t + 1) % 2 * width,
                       .best = m.best + t * width});
      interrupt_.poll(rank, static_cast<double>(of.columns * of.columns));
    }
    if (interrupt_.requested()) return;  // some steps have no best
    Index tag = 0;
    for (Index t = steps; t > 0; --t) path[t - 1] = tag = m.best[t * width + tag];
    values_[row] = score_of_path(scores_, emissions, steps, path, 1);
  }

  const kernels::StructuredKernels<T>& k_;
  const CrfScores<T>& scores_;
  std::int64_t* paths_;
  double* values_;
  CrfTables<T> tables_;
  Interrupt interrupt_;
  int threads_;
  std::vector<Member> members_;
  Arena arena_;
};

}  // namespace

template <class T>
bool crf_viterbi(const CrfScores<T>& scores, std::int64_t* paths, double* values, int threads, Interrupt::Check check) {
  return Viterbi<T>(scores, paths, values, threads, check).run();
}

template bool crf_viterbi<float>(const CrfScores<float>&, std::int64_t*, double*, int, Interrupt::Check);
template bool crf_viterbi<double>(const CrfScores<double>&, std::int64_t*, double*, int, Interrupt::Check);

}  // namespace pyrnn
