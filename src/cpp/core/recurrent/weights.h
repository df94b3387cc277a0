// SPDX-License-Identifier: Apache-2.0
// Packed copies of a stack's weights, for the products of both passes.
#pragma once

#include <vector>

#include "core/recurrent/weight_table.h"
#include "core/runtime/arena.h"
#include "core/runtime/isa.h"
#include "core/runtime/shares.h"

namespace pyrnn {

// What of the weights is packed: a backward pass packs the matrices itself.
enum class Packs { all, unit_by_unit };

// The kernels of a call. With a memory, contexts are multiplied with the columns of W_ih from any one on, which pairs
// of bfloat16 do not allow.
inline const kernels::KernelTable& active_kernels_for(const StackShape& shape) noexcept {
  return shape.context ? active_kernels_of_float32() : active_kernels();
}

// Packed for the forward pass. A snapshot: later writes to the caller's arrays do not reach it.
template <class T, class W = T>
class PackedWeights {
 public:
  struct Direction : Weights<T, W> {
    T* bias;  // [panel][slots*block]: where the sum over x starts, or with layer normalisation what is added to it
    T* b_hn;  // Candidate::gated_sum: [panel][lanes]: where the sum W_hn h starts
  };
  // The LSTM's options for the steps of a layer and direction.
  static kernels::LstmOptions<T> lstm_options(const StackShape& shape, const Direction& weights) {
    return {shape.options.coupled_gates, weights.peephole, static_cast<T>(shape.options.cell_clip)};
  }
  PackedWeights(const kernels::KernelTable& table, const StackShape& shape,
                const std::vector<Weights<const T>>& weights, int threads, Packs packs = Packs::all);
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

// The matrices, packed for the backward pass, in the caller's arena: want() before Arena::allocate(), pack() by all
// members after.
template <class T, class W = T>
struct BackwardWeights : Weights<T, W> {
  void want(Arena& arena, const CellMaps& maps, const StackShape& shape, Index layer, Index lanes);
  void pack(const kernels::Kernels<T, W>& kernels, const CellMaps& maps, const StackShape& shape, Index layer,
            const Weights<const T>& from, Share share);
};

}  // namespace pyrnn
