// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/weight_gradients.h"

#include "core/recurrent/split.h"
#include "core/runtime/parallel.h"

namespace pyrnn {

template <class T>
WeightGradients<T>::WeightGradients(const StackShape& shape, const kernels::KernelTable& table, int threads)
    : directions(static_cast<std::size_t>(shape.layers * shape.directions)),
      shape_(shape),
      table_(&table),
      threads_(threads) {
  const CellMaps maps = maps_of(shape, kernels::of_type<T>(table).lanes);
  for (std::size_t i = 0; i < directions.size(); ++i) {
    Direction& to = directions[i] = {};
    arena_.want(to.w_ih, padded_rows(maps.x), shape.layer_input(static_cast<Index>(i) / shape.directions) + 1);
    arena_.want(to.w_hh, padded_rows(maps.h), shape.output() + 1);
    if (shape.gates_state()) arena_.want(to.w_hn, padded_rows(maps.candidate), shape.hidden + 1);
    if (shape.proj) arena_.want(to.w_hr, padded_rows(maps.proj), shape.hidden + 1);
    if (shape.options.peephole) arena_.want(to.peephole, padded_rows(maps.peephole));
    if (!shape.options.layer_norm) continue;
    for (T** sums : {&to.ln_ih, &to.ln_b_ih}) arena_.want(*sums, padded_rows(maps.x));
    for (T** sums : {&to.ln_hh, &to.ln_b_hh}) arena_.want(*sums, padded_rows(maps.h));
    if (!shape.has_c()) continue;
    for (T** sums : {&to.ln_c, &to.b_ln_c}) arena_.want(*sums, padded_rows(maps.units));
  }
  arena_.allocate();
}

template <class T>
void WeightGradients<T>::add_to(const std::vector<Weights<T>>& gradients) const {
  const kernels::Kernels<T>& k = kernels::of_type<T>(*table_);
  const CellMaps maps = maps_of(shape_, k.lanes);
  parallel(threads_worth(kWorkOfMove * weights_of_stack(shape_), threads_), [&](int rank, Team& team) noexcept {
    const auto add = [&](const kernels::PanelMap& map, const T* from, Index columns, T* to, T* bias) {
      const Range mine = share_of(map.panels(), rank, team.size());
      k.add_gradient({.map = map,
                      .d_weight = from,
                      .columns = columns,
                      .panel_begin = mine.begin,
                      .panel_end = mine.end,
                      .grad = to,
                      .bias = bias});
    };
    for (std::size_t i = 0; i < directions.size(); ++i) {
      const Direction& from = directions[i];
      const Weights<T>& to = gradients[i];
      const bool norm = shape_.options.layer_norm;
      const Index inputs = shape_.layer_input(static_cast<Index>(i) / shape_.directions);
      add(maps.x, from.w_ih, inputs, to.w_ih, norm ? nullptr : to.b_ih);
      add(maps.h, from.w_hh, shape_.output(), to.w_hh, norm ? nullptr : to.b_hh);
      if (from.w_hn) add(maps.candidate, from.w_hn, shape_.hidden, to.w_hh, to.b_hh);
      if (from.w_hr) add(maps.proj, from.w_hr, shape_.hidden, to.w_hr, nullptr);
      if (from.peephole) add(maps.peephole, from.peephole, 0, nullptr, to.peephole);
      if (!norm) continue;
      const auto add_vector = [&](const kernels::PanelMap& map, const T* sums, T* vector) {
        add(map, sums, 0, nullptr, vector);
      };
      add_vector(maps.x, from.ln_ih, to.ln_ih);
      add_vector(maps.x, from.ln_b_ih, to.b_ih);
      add_vector(maps.h, from.ln_hh, to.ln_hh);
      add_vector(maps.h, from.ln_b_hh, to.b_hh);
      if (!shape_.has_c()) continue;
      add_vector(maps.units, from.ln_c, to.ln_c);
      add_vector(maps.units, from.b_ln_c, to.b_ln_c);
    }
  });
}

template class WeightGradients<float>;
template class WeightGradients<double>;

}  // namespace pyrnn
