// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/weights.h"

#include "core/recurrent/split.h"
#include "core/runtime/parallel.h"

namespace pyrnn {
namespace {

using kernels::Kernels;
using kernels::PanelMap;

template <class T>
void pack_forward(const Kernels<T>& k, const PanelMap& map, const T* weight, Index columns, T* out, Share share) {
  const Range mine = share.of(map.panels());
  k.pack_forward(
      {.map = map, .weight = weight, .columns = columns, .panel_begin = mine.begin, .panel_end = mine.end, .out = out});
}

template <class T>
void pack_backward(const Kernels<T>& k, const PanelMap& map, const T* weight, Index columns, T* out, Share share) {
  const Range mine = share.of(ceil_div(columns, 4 * k.lanes));
  k.pack_backward({.map = map,
                   .weight = weight,
                   .columns = columns,
                   .column_panel_begin = mine.begin,
                   .column_panel_end = mine.end,
                   .out = out});
}

// What acts unit by unit. Where the sums start: b_ih + b_hh, but the GRU with reset after keeps W_hn h + b_hn apart,
// under the reset gate.
template <class T>
void pack_vectors(const Kernels<T>& k, const CellMaps& maps, const Weights<const T>& from,
                  const typename PackedWeights<T>::Direction& to) {
  k.pack_bias({.map = maps.x, .first = from.b_ih, .second = from.b_hh, .out = to.bias, .stride = maps.x.panel_size()});
  const auto pack = [&](const PanelMap& map, const T* vector, T* out) {
    if (out) k.pack_bias({.map = map, .first = vector, .second = nullptr, .out = out, .stride = map.panel_size()});
  };
  pack(maps.peephole, from.peephole, to.peephole);
  pack(maps.x, from.ln_ih, to.ln_ih);
  pack(maps.h, from.ln_hh, to.ln_hh);
  pack(maps.units, from.ln_c, to.ln_c);
  pack(maps.units, from.b_ln_c, to.b_ln_c);
  if (!to.b_hn) return;
  k.pack_bias(
      {.map = maps.candidate, .first = from.b_ih, .second = nullptr, .out = to.bias, .stride = maps.x.panel_size()});
  k.pack_bias({.map = maps.candidate, .first = from.b_hh, .second = nullptr, .out = to.b_hn, .stride = k.lanes});
}

template <class T>
void want_forward(Arena& arena, const CellMaps& maps, const StackShape& shape, Index layer,
                  typename PackedWeights<T>::Direction& to) {
  const Index lanes = maps.x.slots == 1 ? maps.x.block / 4 : maps.x.block;
  to = {};
  arena.want(to.w_ih, padded_rows(maps.x), shape.layer_input(layer));
  arena.want(to.w_hh, padded_rows(maps.h), shape.output());
  arena.want(to.bias, padded_rows(maps.x));
  if (shape.gates_state()) arena.want(to.w_hn, padded_rows(maps.candidate), shape.hidden);
  if (shape.cell->candidate == Candidate::gated_sum) arena.want(to.b_hn, maps.x.panels() * lanes);
  if (shape.proj) arena.want(to.w_hr, padded_rows(maps.proj), shape.hidden);
  if (shape.options.peephole) arena.want(to.peephole, padded_rows(maps.peephole));
  if (!shape.options.layer_norm) return;
  arena.want(to.ln_ih, padded_rows(maps.x));
  arena.want(to.ln_hh, padded_rows(maps.h));
  if (shape.has_c()) arena.want(to.ln_c, padded_rows(maps.units));
  if (shape.has_c() && shape.bias) arena.want(to.b_ln_c, padded_rows(maps.units));
}

}  // namespace

template <class T>
PackedWeights<T>::PackedWeights(const kernels::KernelTable& table, const StackShape& shape,
                                const std::vector<Weights<const T>>& weights, int threads)
    : table_(&table), directions_(shape.directions), packed_(weights.size()) {
  const Kernels<T>& k = kernels::of_type<T>(table);
  const CellMaps maps = maps_of(shape, k.lanes);
  for (std::size_t i = 0; i < packed_.size(); ++i)
    want_forward<T>(arena_, maps, shape, static_cast<Index>(i) / directions_, packed_[i]);
  arena_.allocate();
  parallel(threads_worth(kWorkOfMove * weights_of_stack(shape), threads), [&](int rank, Team& team) noexcept {
    const Share share{rank, team.size()};
    for (std::size_t i = 0; i < packed_.size(); ++i) {
      const Weights<const T>& from = weights[i];
      const Direction& to = packed_[i];
      const Index layer = static_cast<Index>(i) / directions_;
      pack_forward(k, maps.x, from.w_ih, shape.layer_input(layer), to.w_ih, share);
      pack_forward(k, maps.h, from.w_hh, shape.output(), to.w_hh, share);
      if (to.w_hn) pack_forward(k, maps.candidate, from.w_hh, shape.hidden, to.w_hn, share);
      if (to.w_hr) pack_forward(k, maps.proj, from.w_hr, shape.hidden, to.w_hr, share);
      if (rank == 0) pack_vectors(k, maps, from, to);
    }
  });
}

template <class T>
void BackwardWeights<T>::want(Arena& arena, const CellMaps& maps, const StackShape& shape, Index layer, Index lanes) {
  w_hn = w_hr = nullptr;
  arena.want(w_ih, padded_rows(maps.x), round_up(shape.layer_input(layer), lanes));
  arena.want(w_hh, padded_rows(maps.h), round_up(shape.output(), lanes));
  if (shape.gates_state()) arena.want(w_hn, padded_rows(maps.candidate), round_up(shape.hidden, lanes));
  if (shape.proj) arena.want(w_hr, padded_rows(maps.proj), round_up(shape.hidden, lanes));
}

template <class T>
void BackwardWeights<T>::pack(const Kernels<T>& k, const CellMaps& maps, const StackShape& shape, Index layer,
                              const Weights<const T>& from, Share share) {
  pack_backward(k, maps.x, from.w_ih, shape.layer_input(layer), w_ih, share);
  pack_backward(k, maps.h, from.w_hh, shape.output(), w_hh, share);
  if (w_hn) pack_backward(k, maps.candidate, from.w_hh, shape.hidden, w_hn, share);
  if (w_hr) pack_backward(k, maps.proj, from.w_hr, shape.hidden, w_hr, share);
}

template class PackedWeights<float>;
template class PackedWeights<double>;
template struct BackwardWeights<float>;
template struct BackwardWeights<double>;

}  // namespace pyrnn
