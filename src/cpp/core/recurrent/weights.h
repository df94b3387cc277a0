// SPDX-License-Identifier: Apache-2.0
// Weights of a stack: the caller's arrays, and packed copies for the products of both passes.
#pragma once

#include <vector>

#include "core/recurrent/shape.h"
#include "core/runtime/arena.h"
#include "core/runtime/shares.h"

namespace pyrnn {

// The arrays of one layer and direction, as torch lays them out; null where the stack has none.
template <class T>
struct Weights {
  T* w_ih;  // [gates*H][I of the layer]
  T* w_hh;  // [gates*H][P]
  T* b_ih;  // [gates*H]
  T* b_hh;  // [gates*H]
  T* w_hr;  // [P][H]
  T* peephole;  // LSTM: i, f, o [3*H], with coupled gates i, o [2*H]
  T* ln_ih;     // gains of layer normalisation [gates*H]
  T* ln_hh;     // [gates*H]
  T* ln_c;      // LSTM [H]
  T* b_ln_c;    // LSTM [H]
};

// Packed for the forward pass. A snapshot: later writes to the caller's arrays do not reach it.
template <class T>
class PackedWeights {
 public:
  struct Direction {
    T* w_ih;   // kernels::PackForward
    T* w_hh;   // kernels::PackForward
    T* w_hn;   // GRU with reset before: the candidate's part of W_hh
    T* bias;   // [panel][slots*block]: where the sum over x starts, or with layer normalisation what is added to it
    T* b_hn;   // GRU with reset after: [panel][lanes]: where the sum W_hn h starts
    T* w_hr;   // kernels::PackForward
    T* peephole;  // LSTM: [panel][i, o, f x lanes]
    T *ln_ih, *ln_hh;  // layer normalisation: [panel][slots*block]
    T *ln_c, *b_ln_c;  // ... of the LSTM's c: [H], padded to whole panels
  };
  // The LSTM's options for the steps of a layer and direction.
  static kernels::LstmOptions<T> lstm_options(const StackShape& shape, const Direction& weights) {
    return {shape.options.coupled_gates, weights.peephole, static_cast<T>(shape.options.cell_clip)};
  }
  PackedWeights(const kernels::KernelTable& table, const StackShape& shape,
                const std::vector<Weights<const T>>& weights, int threads);
  const Direction& of(Index layer, Index direction) const {
    return packed_[static_cast<std::size_t>(layer * directions_ + direction)];
  }
  const kernels::KernelTable& table() const { return *table_; }

 private:
  const kernels::KernelTable* table_;
  Index directions_;
  Arena arena_;
  std::vector<Direction> packed_;
};

// Packed for the backward pass, in the caller's arena: want() before Arena::allocate(), pack() by all members after.
template <class T>
struct BackwardWeights {
  T* w_ih;  // kernels::PackBackward
  T* w_hh;
  T* w_hn;
  T* w_hr;
  void want(Arena& arena, const CellMaps& maps, const StackShape& shape, Index layer, Index lanes);
  void pack(const kernels::Kernels<T>& kernels, const CellMaps& maps, const StackShape& shape, Index layer,
            const Weights<const T>& from, Share share);
};

}  // namespace pyrnn
