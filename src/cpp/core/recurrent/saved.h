// SPDX-License-Identifier: Apache-2.0
// The scope of a pass over a stack, or a part of it, and the data that the forward pass saves for the backward pass.
#pragma once

#include "core/recurrent/buffers.h"
#include "core/recurrent/rows.h"
#include "core/recurrent/tape.h"

namespace pyrnn {

// What a pass works on. The parts of a whole are done in the order of their layers, directions and steps, and backwards
// in the order of directions alone.
struct Scope {
  Range layers, directions;
  Segment steps;
  static Scope all(const StackShape& shape, const Batch& batch) {
    return {{0, shape.layers}, {0, shape.directions}, {0, batch.steps()}};
  }
};

// What goes from layer to layer, and the gradients on their way back, as packed rows in time order.
template <class T>
struct LayerBuffers {
  std::vector<T*> input;  // [L]: after dropout; null for layer 0
  std::vector<T*> h;      // [L*D]: of each direction, if it is merged by multiplication and not in Saved; or empty
  Index first_row = 0;    // of the batch, with which they begin
  Rows<T> rows(Index layer, const Batch& batch, const StackShape& shape) const {
    return Rows<T>::packed(input[static_cast<std::size_t>(layer)], batch, shape.layer_input(layer), first_row);
  }
};

// How many rows there are, as far as the size of the activations depends on it.
struct SavedSizes {
  Index rows;        // R of the scope's steps
  Index batch_rows;  // B
  bool uniform, packed_arrays;
  bool drops;  // states, too, where the options say so
};

// The activations that a forward pass of training leaves for the backward pass of the same scope.
template <class T>
struct Saved {
  // The bytes of a whole stack's.
  static std::size_t bytes(const StackShape& shape, const kernels::KernelTable& table, const SavedSizes& sizes);

  // In the tape's memory. kept: the outputs of layers that lie elsewhere; null: all layers of the scope have theirs
  // here.
  Saved(const Tape<T>& tape, const Scope& scope, const LayerBuffers<T>* kept = nullptr);

  // h of one direction at a time and row.
  const T* output_at(Index layer, Index direction, Index time, Index row) const;

  const Tape<T>& tape;
  const Scope scope;
  const Index rows;  // R of the scope's steps
  Arena arena;
  std::vector<StepBuffers<T>> directions;  // [L*D]
  LayerBuffers<T> layers;
};

}  // namespace pyrnn
