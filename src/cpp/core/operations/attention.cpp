// SPDX-License-Identifier: Apache-2.0
#include "core/operations/attention.h"

#include <algorithm>
#include <vector>

#include "core/runtime/pieces.h"

namespace pyrnn {
namespace {

// The attention of one row and step.
template <class T>
kernels::Attention<T> at(const Memory<T>& m, const Queries<T>& q, Index time, Index row, T* dropped) {
  return m.of_query(row, time, q.queries + q.layout.at(time, row, m.key_size),
                    q.weights + q.layout.at(time, row, m.layout.steps), dropped,
                    q.contexts ? q.contexts + q.layout.at(time, row, m.value_size) : nullptr);
}

// Calls f(row, time) for all queries of each row, the first step first or last first, until the caller asks to stop.
template <class T, class F>
void over_queries(const Layout& layout, double work, bool last_first, int threads, Interrupt::Check check, F&& f) {
  Interrupt interrupt(check);
  const double all = work * static_cast<double>(layout.rows * layout.steps);
  parallel(threads_worth(all, threads), &interrupt, [&](int rank, Team& team) noexcept {
    const Range rows = share_of(layout.rows, rank, team.size());
    for (Index row = rows.begin; row < rows.end; ++row)
      for (Index step = 0; step < layout.steps && !interrupt.requested(); ++step) {
        f(row, last_first ? layout.steps - 1 - step : step);
        interrupt.poll(rank, work);
      }
  });
}

}  // namespace

template <class T>
void attention_forward(const Memory<T>& memory, const Queries<T>& queries, int threads, Interrupt::Check check) {
  const Layout& layout = queries.layout;
  const Index S = memory.layout.steps;
  over_queries<T>(layout, memory.work(), false, threads, check, [&, &k = active<T>()](Index row, Index time) {
    T* dropped = memory.dropout ? queries.dropped + layout.at(time, row, S) : nullptr;
    k.attention_forward(at(memory, queries, time, row, dropped));
  });
}

template <class T>
void attention_backward(const Memory<T>& memory, const Queries<T>& queries, const QueryGradients<T>& of_queries,
                        const MemoryGradient<T>& of_memory, int threads, Interrupt::Check check) {
  const Layout& layout = queries.layout;
  const Index S = memory.layout.steps;
  std::vector<T> d_scores(static_cast<std::size_t>(layout.rows * S));
  std::vector<T> dropped(memory.dropout ? d_scores.size() : 0);
  over_queries<T>(layout, 3 * memory.work(), true, threads, check, [&, &k = active<T>()](Index row, Index time) {
    T* dropped_of_row = memory.dropout ? dropped.data() + row * S : nullptr;
    kernels::AttentionGradient<T> call =
        of_memory.of_row(memory, row, at(memory, queries, time, row, dropped_of_row),
                         of_queries.d_contexts + layout.at(time, row, memory.value_size),
                         of_queries.d_queries + layout.at(time, row, memory.key_size), d_scores.data() + row * S);
    if (of_queries.d_weights) call.d_weights = of_queries.d_weights + layout.at(time, row, S);
    k.attention_backward(call);
  });
}

template <class T>
void sum_rows(const T* of_rows, Index rows, Index columns, T* sum) {
  const ScopedFloatControl flush(kFlushDenormals);  // as in the sums of the rows
  std::fill_n(sum, columns, T(0));
  for (Index row = 0; row < rows; ++row)
    for (Index i = 0; i < columns; ++i) sum[i] += of_rows[row * columns + i];
}

#define PYRNN_INSTANTIATE(T)                                                                         \
  template void attention_forward<T>(const Memory<T>&, const Queries<T>&, int, Interrupt::Check);    \
  template void attention_backward<T>(const Memory<T>&, const Queries<T>&, const QueryGradients<T>&, \
                                      const MemoryGradient<T>&, int, Interrupt::Check);              \
  template void sum_rows<T>(const T*, Index, Index, T*)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
