// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/weight_gradients.h"

#include "core/recurrent/split.h"
#include "core/runtime/parallel.h"

namespace pyrnn {

template <class T>
WeightGradients<T>::WeightGradients(const StackShape& shape, const kernels::KernelTable& table, int threads,
                                    bool wanted)
    : directions(static_cast<std::size_t>(shape.layers * shape.directions)),
      shape_(shape),
      table_(&table),
      threads_(threads) {
  const CellMaps maps = maps_of(shape, kernels::of_type<T>(table).lanes);
  const auto want = [&]<WeightKind kind>(const Weight<kind>& w, T*& sums) {
    if (wanted && (kind != WeightKind::bias || shape.options.layer_norm))
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
  parallel(threads_worth(kWorkOfMove * weights_of_stack(shape_), threads_), [&](int rank, Team& team) noexcept {
    const auto add = [&]<WeightKind kind>(const Weight<kind>& w, const T* sums, T* to, T* ones) {
      const Range mine = share_of(w.map.panels(), rank, team.size());
      const bool matrix = kind == WeightKind::matrix;
      if (sums)
        k.add_gradient({.map = w.map,
                        .d_weight = sums,
                        .columns = w.columns,
                        .panel_begin = mine.begin,
                        .panel_end = mine.end,
                        .grad = matrix ? to : nullptr,
                        .bias = matrix ? ones : to});
    };
    for (std::size_t i = 0; i < directions.size(); ++i) {
      const Weights<T>& to = gradients[i];
      Weights<T> ones{};  // where the columns of ones go
      if (!shape_.options.layer_norm) {
        ones.w_ih = to.b_ih;
        ones.w_hh = ones.w_hn = to.b_hh;
      }
      for_each_weight(shape_, maps, static_cast<Index>(i) / shape_.directions, add, directions[i], to, ones);
    }
  });
}

template class WeightGradients<float>;
template class WeightGradients<double>;

}  // namespace pyrnn
