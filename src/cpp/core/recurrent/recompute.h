// SPDX-License-Identifier: Apache-2.0
// Training through long sequences. The forward pass keeps the states at the borders of segments, and the backward pass
// computes each segment again, from the last to the first (Chen et al. 2016). Segments are whole chunks of the weight
// gradients' sums, so every bit is that of one pass over all steps.
//
// With one direction, all layers go through a segment at once. With two, each direction processes its own segments
// layer by layer, since a layer needs all of the previous one; data passed from layer to layer are then kept whole.
#pragma once

#include "core/recurrent/backward.h"
#include "core/recurrent/forward.h"

namespace pyrnn {

template <class T>
struct Recomputation {
  Recomputation(const Tape<T>& tape, Index segment_steps);
  // With the state that the sequence starts in, and the outputs. False when stopped, here and below.
  bool forward(const Sequences<T>& sequences, int threads, Interrupt::Check check);
  bool backward(const std::vector<Weights<const T>>& weights, const SequenceGradients<T>& gradients,
                WeightGradients<T>& out, int threads, Interrupt::Check check) const;

 private:
  // Layers and directions that go through their segments together.
  struct Part {
    Range layers, directions;
  };
  std::vector<Part> parts() const;
  Segment segment(Index i) const { return {i * steps_, smaller((i + 1) * steps_, tape_.batch.steps())}; }
  // The arrays of a pass over one segment, with the states at its borders.
  Sequences<T> at_borders(const Sequences<T>& sequences, Index segment) const;
  bool backward_segment(const Scope& scope, Index segment, const BackwardJob<T>& job, int threads,
                        Interrupt::Check check) const;

  const Tape<T>& tape_;
  Index steps_, count_;
  Index h_size_, c_size_;  // of all states at one border
  Arena arena_;
  T* h_;  // [count + 1][L*D][B][P]
  T* c_;  // [count + 1][L*D][B][H], LSTM
  LayerBuffers<T> kept_;  // where a direction reads backwards
};

}  // namespace pyrnn
