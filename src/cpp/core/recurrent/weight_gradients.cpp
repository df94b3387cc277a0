// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/weight_gradients.h"

#include "core/recurrent/split.h"
#include "core/runtime/parallel.h"

namespace pyrnn {

namespace {

// Multiply-adds that add_to() may take at most, since it cannot be stopped: some milliseconds.
constexpr double kWorkOfFewRows = 1e8;

double work_of(const StackShape& shape, const Batch& batch) {
  return static_cast<double>(batch.packed_rows()) * weights_of_stack(shape);
}

// One chunk of rows, of matrices whose rows fill vectors: what is missing of the last one is multiplied, too.
template <class T>
bool has_few_rows(const StackShape& shape, const Batch& batch, const kernels::Kernels<T>& k) {
  if (!k.few_rows_gradient || shape.options.layer_norm || shape.proj || shape.context) return false;
  if (batch.steps() > chunk_steps(batch.rows()) || batch.packed_rows() > kRowsOfChunk) return false;
  bool fill = true;
  for (Index layer = 0; layer < shape.layers; ++layer)
    for (const Index columns : {shape.layer_input(layer), shape.output()})
      fill = fill && 4 * columns >= 3 * round_up(columns, k.lanes);
  return fill && work_of(shape, batch) <= kWorkOfFewRows;
}

}  // namespace

template <class T>
WeightGradients<T>::WeightGradients(const StackShape& shape, const kernels::KernelTable& table, int threads,
                                    const Batch* batch, bool wanted)
    : directions(static_cast<std::size_t>(shape.layers * shape.directions)),
      shape_(shape),
      table_(&table),
      threads_(threads),
      work_(kWorkOfMove * weights_of_stack(shape)) {
  const kernels::Kernels<T>& k = kernels::of_type<T>(table);
  const CellMaps maps = maps_of(shape, k.lanes);
  if (wanted && batch && has_few_rows(shape, *batch, k)) {
    of_few_rows.resize(directions.size());
    work_ += work_of(shape, *batch);
  }
  const auto want = [&]<WeightKind kind>(const Weight<kind>& w, T*& sums) {
    if (kind == WeightKind::matrix && are_of_few_rows())
      arena_.want(sums, batch->packed_rows(), round_up(w.columns, k.lanes));
    else if (wanted && (kind != WeightKind::bias || shape.options.layer_norm))
      arena_.want(sums, padded_rows(w.map), w.columns + 1);
  };
  for (std::size_t i = 0; i < directions.size(); ++i)
    for_each_weight(shape, maps, static_cast<Index>(i) / shape.directions, want, directions[i] = {});
  arena_.allocate();
}

template <class T>
void WeightGradients<T>::add_to(const std::vector<Weights<T>>& gradients) const {
  const kernels::Kernels<T>& k = kernels::of_type<T>(*table_);
  const CellMaps maps = maps_of(shape_, k.lanes);
  parallel(threads_worth(work_, threads_), [&](int rank, Team& team) noexcept {
    for (std::size_t i = 0; i < directions.size(); ++i) {
      const Weights<T>& to = gradients[i];
      Weights<T> ones{};  // where the columns of ones go
      if (!shape_.options.layer_norm) {
        ones.w_ih = to.b_ih;
        ones.w_hh = ones.w_hn = to.b_hh;
      }
      const OfFewRows few = are_of_few_rows() ? of_few_rows[i] : OfFewRows{};
      const auto add = [&]<WeightKind kind>(const Weight<kind>& w, const T* sums, const T* d_gates, T* grad, T* bias) {
        const Range mine = share_of(w.map.panels(), rank, team.size());
        constexpr bool matrix = kind == WeightKind::matrix;
        if (matrix && are_of_few_rows())
          k.few_rows_gradient({.map = w.map,
                               .rows = few.rows,
                               .a = sums,
                               .columns = w.columns,
                               .d_gates = d_gates,
                               .gates_panel = few.gates_panel,
                               .segments = few.segments,
                               .segment_stride = few.segment_stride,
                               .panel_begin = mine.begin,
                               .panel_end = mine.end,
                               .grad = grad,
                               .bias = bias});
        else if (sums)
          k.add_gradient({.map = w.map,
                          .d_weight = sums,
                          .columns = w.columns,
                          .panel_begin = mine.begin,
                          .panel_end = mine.end,
                          .grad = matrix ? grad : nullptr,
                          .bias = matrix ? bias : grad});
      };
      for_each_weight(shape_, maps, static_cast<Index>(i) / shape_.directions, add, directions[i], few.d_gates, to,
                      ones);
    }
  });
}

template class WeightGradients<float>;
template class WeightGradients<double>;

}  // namespace pyrnn
