// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/weights.h"

#include "core/recurrent/split.h"
#include "core/runtime/parallel.h"

namespace pyrnn {
namespace {

using kernels::Kernels;
using kernels::PanelMap;

template <class T, class W>
void pack_forward(const Kernels<T, W>& k, const Weight<WeightKind::matrix>& w, const T* from, W* to, Share share) {
  const Range mine = share.of(w.map.panels());
  k.pack_forward({.map = w.map,
                  .weight = from,
                  .columns = w.columns,
                  .panel_begin = mine.begin,
                  .panel_end = mine.end,
                  .out = to});
}

template <class T, class W>
void pack_backward(const Kernels<T, W>& k, const Weight<WeightKind::matrix>& w, const T* from, W* to, Share share) {
  const Range mine = share.of(ceil_div(w.columns, 4 * k.lanes));
  k.pack_backward({.map = w.map,
                   .weight = from,
                   .columns = w.columns,
                   .column_panel_begin = mine.begin,
                   .column_panel_end = mine.end,
                   .out = to});
}

template <class T, class W>
void pack_vector(const Kernels<T, W>& k, const PanelMap& map, const T* from, T* to) {
  k.pack_bias({.map = map, .first = from, .second = nullptr, .out = to, .stride = map.panel_size()});
}

// Where the sums start: b_ih + b_hh, but the GRU with reset after keeps W_hn h + b_hn apart, under the reset gate.
template <class T, class W>
void pack_biases(const Kernels<T, W>& k, const CellMaps& maps, const Weights<const T>& from,
                 const typename PackedWeights<T, W>::Direction& to) {
  k.pack_bias({.map = maps.x, .first = from.b_ih, .second = from.b_hh, .out = to.bias, .stride = maps.x.panel_size()});
  if (!to.b_hn) return;
  k.pack_bias(
      {.map = maps.candidate, .first = from.b_ih, .second = nullptr, .out = to.bias, .stride = maps.x.panel_size()});
  pack_vector(k, maps.candidate, from.b_hh, to.b_hn);
}

}  // namespace

template <class T, class W>
PackedWeights<T, W>::PackedWeights(const kernels::KernelTable& table, const StackShape& shape,
                                   const std::vector<Weights<const T>>& weights, int threads, Packs packs)
    : table_(&table), directions_(shape.directions), packed_(weights.size()) {
  const Kernels<T, W>& k = kernels::of_type<T, W>(table);
  const CellMaps maps = maps_of(shape, k.lanes);
  for (std::size_t i = 0; i < packed_.size(); ++i) {
    Direction& to = packed_[i] = {};
    const auto want = [&]<WeightKind kind>(const Weight<kind>& w, auto*& copy) {
      const bool packed = packs == Packs::all || kind == WeightKind::unit_by_unit;
      if (packed && kind != WeightKind::bias)
        arena_.want(copy, padded_rows(w.map), kind == WeightKind::matrix ? kernels::packed_columns<W>(w.columns) : 1);
    };
    for_each_weight(shape, maps, static_cast<Index>(i) / directions_, want, to);
    arena_.want(to.bias, padded_rows(maps.x));
    if (shape.cell->candidate == Candidate::gated_sum) arena_.want(to.b_hn, padded_rows(maps.candidate));
  }
  arena_.allocate();
  parallel(threads_worth(kWorkOfMove * weights_of_stack(shape), threads), [&](int rank, Team& team) noexcept {
    const auto pack = [&]<WeightKind kind>(const Weight<kind>& w, const T* from, auto* to) {
      if constexpr (kind == WeightKind::matrix)
        if (to) pack_forward(k, w, from, to, {rank, team.size()});
      if constexpr (kind == WeightKind::unit_by_unit)
        if (rank == 0) pack_vector(k, w.map, from, to);
    };
    for (std::size_t i = 0; i < packed_.size(); ++i) {
      for_each_weight(shape, maps, static_cast<Index>(i) / directions_, pack, weights[i], packed_[i]);
      if (rank == 0) pack_biases(k, maps, weights[i], packed_[i]);
    }
  });
}

template <class T, class W>
void BackwardWeights<T, W>::want(Arena& arena, const CellMaps& maps, const StackShape& shape, Index layer,
                                 Index lanes) {
  *this = {};
  const auto want = [&]<WeightKind kind>(const Weight<kind>& w, auto*& copy) {
    if (kind == WeightKind::matrix) arena.want(copy, padded_rows(w.map), round_up(w.columns, lanes));
  };
  for_each_weight(shape, maps, layer, want, *this);
}

template <class T, class W>
void BackwardWeights<T, W>::pack(const Kernels<T, W>& k, const CellMaps& maps, const StackShape& shape, Index layer,
                                 const Weights<const T>& from, Share share) {
  const auto pack = [&]<WeightKind kind>(const Weight<kind>& w, const T* array, auto* copy) {
    if constexpr (kind == WeightKind::matrix) pack_backward(k, w, array, copy, share);
  };
  for_each_weight(shape, maps, layer, pack, from, *this);
}

template class PackedWeights<float>;
template class PackedWeights<double>;
template class PackedWeights<float, kernels::Bf16>;
template class PackedWeights<float, kernels::Int8>;
template struct BackwardWeights<float>;
template struct BackwardWeights<double>;

}  // namespace pyrnn
