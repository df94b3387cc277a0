// SPDX-License-Identifier: Apache-2.0
#include "core/operations/crf.h"

#include <cmath>
#include <limits>
#include <vector>

#include "core/operations/crf_tables.h"

namespace pyrnn {
namespace {

// Rows whose gradients of the transitions are summed apart before they join the total, first to last: fixed by the
// batch, so that no thread count moves a bit.
constexpr Index kMostChunks = 16;

template <class T>
class Likelihood {
 public:
  Likelihood(const CrfScores<T>& scores, const std::int64_t* paths, const CrfGradients<T>& gradients, double* values,
             int threads, Interrupt::Check check)
      : k_(kernels::of_type<T>(active_kernels()).structured),
        scores_(scores),
        paths_(paths),
        gradients_(gradients),
        values_(values),
        tables_(scores),
        interrupt_(check),
        threads_(threads_worth(2 * kWorkOfElement * work_of(scores), threads)),
        members_(static_cast<std::size_t>(threads_)) {
    const Index width = tables_.width(), rows = scores.of.rows;
    chunk_rows_ = larger(1, ceil_div(rows, kMostChunks));
    chunks_ = ceil_div(rows, chunk_rows_);
    kept_ = gradients.d_emissions ? longest_of(scores.of) + 2 : 2;
    for (Member& m : members_) {
      for (T** rows_of : {&m.alpha, &m.shift, &m.sum}) arena_.want(*rows_of, kept_, width);
      for (T** row : {&m.posterior, &m.before, &m.share}) arena_.want(*row, width);
    }
    arena_.want(sums_, gradients.d_emissions ? chunks_ : 0, sums_size());
    arena_.allocate();
  }

  bool run() {
    Queue queue;
    parallel(threads_, &interrupt_, [&](int rank, Team&) noexcept {
      queue.share(chunks_, [&](Index chunk) noexcept { take_chunk(chunk, rank); });
    });
    if (!interrupt_.requested() && gradients_.d_transitions) add_chunks();
    return !interrupt_.requested();
  }

 private:
  // One thread's memory: rows of alpha, shift and sum for each step, that before the first in front and the end last.
  struct Member {
    T *alpha, *shift, *sum;
    T *posterior, *before, *share;
  };
  // A chunk's sums: d_transitions [to][from, padded], d_start and d_end [padded].
  Index sums_size() const { return (tables_.tags() + 2) * tables_.width(); }
  T* sums_start(T* sums) const { return sums + tables_.tags() * tables_.width(); }
  T* sums_end(T* sums) const { return sums_start(sums) + tables_.width(); }

  void take_chunk(Index chunk, int rank) noexcept {
    const PooledRows& of = scores_.of;
    T* sums = gradients_.d_emissions ? sums_ + chunk * sums_size() : nullptr;
    if (sums) std::fill_n(sums, sums_size(), T(0));
    const Member& m = members_[static_cast<std::size_t>(rank)];
    for (Index row = chunk * chunk_rows_; row < smaller((chunk + 1) * chunk_rows_, of.rows); ++row) {
      const Index steps = of.lengths[row];
      values_[row] = steps ? forward(m, row, rank) : 0.0;
      if (!sums) continue;
      const bool counts = steps && gradients_.scale[row] != T(0);
      if (counts) backward(m, row, rank, sums);
      for (Index t = counts ? steps : 0; t < of.steps; ++t)
        std::fill_n(gradients_.d_emissions + row * of.row_stride() + t * of.time_stride(), of.columns, T(0));
    }
  }

  double forward(const Member& m, Index row, int rank) noexcept {
    const PooledRows& of = scores_.of;
    const Index steps = of.lengths[row];
    const T* emissions = scores_.emissions + row * of.row_stride();
    double total = 0;
    at(m.alpha, 0)[0] = T(0);
    for (Index t = 0; t <= steps && !interrupt_.requested(); ++t) {
      total += k_.crf_forward({.from = tables_.from(t),
                               .to = tables_.to(t, steps),
                               .transitions = tables_.forward(t, steps),
                               .before = at(m.alpha, t),
                               .emissions = t < steps ? emissions + t * of.time_stride() : nullptr,
                               .shift = at(m.shift, t + 1),
                               .sum = at(m.sum, t + 1),
                               .alpha = at(m.alpha, t + 1)});
      poll(rank);
    }
    total += at(m.alpha, steps + 1)[0];  // 0, or -inf if there is no path
    if (!paths_) return total;
    return total - score_of_path(scores_, emissions, steps, paths_ + row * path_row(), path_step());
  }

  // `posterior` is that of step t, `before` that of step t - 1.
  void backward(Member m, Index row, int rank, T* sums) noexcept {
    const PooledRows& of = scores_.of;
    const Index steps = of.lengths[row];
    T* d_emissions = gradients_.d_emissions + row * of.row_stride();
    std::fill_n(m.posterior, tables_.width(), T(0));
    // Without any path the value is NaN, and so are the gradients.
    m.posterior[0] = std::isnan(values_[row]) ? std::numeric_limits<T>::quiet_NaN() : gradients_.scale[row];
    for (Index t = steps; t > 0 && !interrupt_.requested(); --t) {
      k_.crf_backward({.from = tables_.from(t),
                       .to = tables_.to(t, steps),
                       .transitions = tables_.backward(t, steps),
                       .before = at(m.alpha, t),
                       .shift = at(m.shift, t + 1),
                       .sum = at(m.sum, t + 1),
                       .posterior = m.posterior,
                       .share = m.share,
                       .d_transitions = t == steps ? sums_end(sums) : sums,
                       .posterior_before = m.before});
      std::swap(m.posterior, m.before);
      std::copy_n(m.posterior, of.columns, d_emissions + (t - 1) * of.time_stride());
      poll(rank);
    }
    for (Index i = 0; i < of.columns; ++i) sums_start(sums)[i] += m.posterior[i];
    if (paths_) subtract_path(paths_ + row * path_row(), row, d_emissions, sums);
  }

  // The other half of each gradient: what the row's own path holds.
  void subtract_path(const std::int64_t* path, Index row, T* d_emissions, T* sums) noexcept {
    const T scale = gradients_.scale[row];
    const Index steps = scores_.of.lengths[row];
    sums_start(sums)[path[0]] -= scale;
    sums_end(sums)[path[(steps - 1) * path_step()]] -= scale;
    for (Index t = 0; t < steps; ++t) {
      const Index tag = path[t * path_step()];
      d_emissions[t * scores_.of.time_stride() + tag] -= scale;
      if (t > 0) sums[tag * tables_.width() + path[(t - 1) * path_step()]] -= scale;
    }
  }

  void add_chunks() noexcept {
    const ScopedFloatControl flush(kFlushDenormals);  // as in the chunks
    const Index K = tables_.tags(), width = tables_.width();
    std::fill_n(gradients_.d_transitions, K * K, T(0));
    for (T* sum : {gradients_.d_start, gradients_.d_end}) std::fill_n(sum, K, T(0));
    T* sums = sums_;
    for (Index chunk = 0; chunk < chunks_; ++chunk, sums += sums_size()) {
      for (Index i = 0; i < K; ++i) {
        for (Index j = 0; j < K; ++j) gradients_.d_transitions[i * K + j] += sums[j * width + i];
        gradients_.d_start[i] += sums_start(sums)[i];
        gradients_.d_end[i] += sums_end(sums)[i];
      }
    }
  }

  T* at(T* rows, Index t) const { return rows + (gradients_.d_emissions ? t : t % 2) * tables_.width(); }
  Index path_row() const { return scores_.of.batch_first ? scores_.of.steps : 1; }
  Index path_step() const { return scores_.of.batch_first ? 1 : scores_.of.rows; }
  void poll(int rank) noexcept {
    interrupt_.poll(rank, kWorkOfElement * static_cast<double>(tables_.tags() * tables_.tags()));
  }

  const kernels::StructuredKernels<T>& k_;
  const CrfScores<T>& scores_;
  const std::int64_t* paths_;
  const CrfGradients<T>& gradients_;
  double* values_;
  CrfTables<T> tables_;
  Interrupt interrupt_;
  int threads_;
  std::vector<Member> members_;
  Arena arena_;
  Index chunk_rows_, chunks_, kept_;
  T* sums_;
};

}  // namespace

template <class T>
bool crf_likelihood(const CrfScores<T>& scores, const std::int64_t* paths, const CrfGradients<T>& gradients,
                    double* values, int threads, Interrupt::Check check) {
  return Likelihood<T>(scores, paths, gradients, values, threads, check).run();
}

#define PYRNN_INSTANTIATE(T)                                                                                      \
  template bool crf_likelihood<T>(const CrfScores<T>&, const std::int64_t*, const CrfGradients<T>&, double*, int, \
                                  Interrupt::Check)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
