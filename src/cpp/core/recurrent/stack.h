// SPDX-License-Identifier: Apache-2.0
// A stack of recurrent layers: the forward pass, and back-propagation through time.
//
// Everything that the caller passes is checked before (bindings/). These functions may throw std::bad_alloc, before a
// pass begins and so between two segments of a long sequence, never in a parallel region: then outputs are garbage and
// a tape is as it was. A call that Interrupt::Check stops returns false; what it has written does not count.
#pragma once

#include <memory>
#include <vector>

#include "core/operations/attention.h"
#include "core/recurrent/batch.h"
#include "core/recurrent/shape.h"
#include "core/recurrent/weights.h"
#include "core/runtime/arena.h"
#include "core/runtime/interrupt.h"

namespace pyrnn {

// The caller's arrays, C-contiguous. L*D states, layer by layer, forward before reverse.
template <class T>
struct Sequences {
  Index array_steps;  // T of the arrays
  bool batch_first;   // x, y and cells are (B, T, columns) rather than (T, B, columns)
  const T* x;         // I columns
  const T* h0 = nullptr;        // [L*D][B][P], or null: zero
  const T* c0 = nullptr;        // [L*D][B][H], or null: zero; LSTM
  T* y = nullptr;               // layer_output() columns; zero where a row has ended; null: not wanted
  T* hn = nullptr;              // [L*D][B][P]
  T* cn = nullptr;              // [L*D][B][H], LSTM
  T* cells = nullptr;           // D*H columns, every c of the last layer as y has every h; or null
  Attended<T> attended{};
};

// What a backward pass reads of them; the other arrays may be gone.
template <class T>
struct SequenceInput {
  Index array_steps;
  bool batch_first;
  const T* x;
  Attended<T> attended{};
};

struct DropoutKey {
  std::uint64_t seed, draw;
};

// The options of a forward pass of training.
struct Training {
  DropoutKey key;
  Index recompute_every;
  int threads;
};

template <class T>
struct Saved;  // core/recurrent/passes.h
template <class T>
struct Checkpoints;  // core/recurrent/checkpoints.h

// What the forward pass of training leaves for the backward pass. x is referenced, not copied.
template <class T>
struct Tape {
  Tape(const StackShape& shape, std::shared_ptr<const PackedWeights<T>> weights, const Batch& batch,
       const Sequences<T>& sequences, DropoutKey key);
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  const StackShape shape;
  const std::shared_ptr<const PackedWeights<T>> weights;
  const Batch batch;
  const SequenceInput<T> input;
  const DropoutKey key;
  std::unique_ptr<Saved<T>> saved;              // all activations,
  std::unique_ptr<Checkpoints<T>> checkpoints;  // or the states from which they are computed again
};

// Inference: nothing is saved, nothing is dropped.
template <class T>
bool forward(const StackShape& shape, const PackedWeights<T>& weights, const Batch& batch,
             const Sequences<T>& sequences, int threads, Interrupt::Check check);

// Training. recompute_every: of how many steps the states are kept, rounded up to whole chunks (core/dims.h), so that
// no bit depends on it; 0: all activations are kept. Null when stopped.
template <class T>
std::unique_ptr<Tape<T>> forward_train(const StackShape& shape, std::shared_ptr<const PackedWeights<T>> weights,
                                       const Batch& batch, const Sequences<T>& sequences, const Training& training,
                                       Interrupt::Check check);

// Gradients of the caller's arrays; null where there is none.
template <class T>
struct SequenceGradients {
  const T* dy;
  const T* dhn;
  const T* dcn;
  const T* dcells;
  T* dx;   // zero on entry
  T* dh0;
  T* dc0;
  AttendedGradient<T> attended{};
};

// The gradients of all weights, apart from the caller's arrays until add_to().
template <class T>
class WeightGradients {
 public:
  WeightGradients(const StackShape& shape, const kernels::KernelTable& table, int threads);
  void add_to(const std::vector<Weights<T>>& gradients) const;

  struct Direction {
    T* w_ih;  // kernels::WeightGradient's layout, with the column of ones for b_ih
    T* w_hh;  // the same with b_hh; GRU with reset before: the part of r and z
    T* w_hn;  // GRU with reset before
    T* w_hr;
    T* peephole;  // LSTM
    T *ln_ih, *ln_hh, *ln_c;      // layer normalisation: of its gains,
    T *ln_b_ih, *ln_b_hh, *b_ln_c;  // and of what is added behind it, of which the column of ones knows nothing
  };
  std::vector<Direction> directions;

 private:
  StackShape shape_;
  const kernels::KernelTable* table_;
  int threads_;
  Arena arena_;
};

// Works on the tape in place: it is spent, whether the call ends or is stopped (then null). Not so after
// std::bad_alloc, which is thrown before all activations are touched, and of segments only copies are.
template <class T>
std::unique_ptr<WeightGradients<T>> backward(const Tape<T>& tape, const std::vector<Weights<const T>>& weights,
                                             const SequenceGradients<T>& gradients, int threads,
                                             Interrupt::Check check);

}  // namespace pyrnn
