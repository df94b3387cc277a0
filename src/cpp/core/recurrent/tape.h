// SPDX-License-Identifier: Apache-2.0
// Training of a stack of recurrent layers: the forward pass, its tape, and back-propagation through time.
//
// The bindings have already checked every argument. These functions may throw std::bad_alloc before a pass begins, and
// so between two segments of a long sequence, but never in a parallel region. Outputs are then garbage, and the tape is
// unchanged. A call that Interrupt::Check stops returns null, and everything that it has written is invalid.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/recurrent/batch.h"
#include "core/recurrent/sequences.h"
#include "core/recurrent/shape.h"
#include "core/recurrent/weight_gradients.h"
#include "core/runtime/arena.h"
#include "core/runtime/interrupt.h"

namespace pyrnn {

// The options of a forward pass of training.
struct Training {
  std::optional<DropoutKey> key;  // none: nothing is dropped
  Index recompute_every;
  int threads;
  GivenMemory memory = {};  // for the activations, with recompute_every = 0; none: the tape has its own
};

template <class T>
struct Saved;  // core/recurrent/saved.h
template <class T>
struct Recomputation;  // core/recurrent/recompute.h

// What the forward pass of training leaves for the backward pass. x is referenced, not copied.
template <class T>
struct Tape {
  Tape(const StackShape& shape, std::shared_ptr<const PackedWeights<T>> weights, const Batch& batch,
       const Sequences<T>& sequences, std::optional<DropoutKey> key, GivenMemory memory = {});
  // The buffers of all activations in `memory`: a tape made again from the same arguments has those of the first.
  void save_all();
  // Null: nothing is dropped.
  const DropoutKey* drop_key() const { return key ? &*key : nullptr; }
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  const StackShape shape;
  const std::shared_ptr<const PackedWeights<T>> weights;
  const Batch batch;
  const SequenceInput<T> input;
  const std::optional<DropoutKey> key;
  const GivenMemory memory;
  std::unique_ptr<Saved<T>> saved;  // all activations,
  std::unique_ptr<Recomputation<T>> recomputation;  // or the states from which they are computed again
};

// Training. recompute_every: of how many steps the states are kept, rounded up to whole chunks (core/dims.h), so that
// no bit depends on it; 0: all activations are kept. Null when stopped.
template <class T>
std::unique_ptr<Tape<T>> forward_train(const StackShape& shape, std::shared_ptr<const PackedWeights<T>> weights,
                                       const Batch& batch, const Sequences<T>& sequences, const Training& training,
                                       Interrupt::Check check);

// Works on the tape in place: it is spent, whether the call ends or is stopped (then null). Not so after
// std::bad_alloc, which is thrown before all activations are touched, and of segments only copies are. Gradients of few
// rows have to keep() it.
template <class T>
std::unique_ptr<WeightGradients<T>> backward(const Tape<T>& tape, const std::vector<Weights<const T>>& weights,
                                             const SequenceGradients<T>& gradients, int threads,
                                             Interrupt::Check check);

}  // namespace pyrnn
