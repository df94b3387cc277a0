// SPDX-License-Identifier: Apache-2.0
// A stack of recurrent layers: the forward pass, and back-propagation through time.
//
// Everything that the caller passes is checked before (bindings/). These functions may throw std::bad_alloc, before
// any thread starts; a call that Interrupt::Check stops returns false and has written nothing that counts.
#pragma once

#include <memory>
#include <vector>

#include "core/arena.h"
#include "core/batch.h"
#include "core/interrupt.h"
#include "core/shape.h"
#include "core/weights.h"

namespace pyrnn {

// The caller's arrays, C-contiguous. L*D states, layer by layer, forward before reverse.
template <class T>
struct Sequences {
  Index array_steps;  // T of the arrays
  bool batch_first;   // x and y are (B, T, columns) rather than (T, B, columns)
  const T* x;         // I columns
  const T* h0;        // [L*D][B][P], or null: zero
  const T* c0;        // [L*D][B][H], or null: zero; LSTM
  T* y;               // D*P columns; zero where a row has ended
  T* hn;              // [L*D][B][P]
  T* cn;              // [L*D][B][H], LSTM
};

struct DropoutKey {
  std::uint64_t seed, draw;
};

// What the forward pass of training leaves for the backward pass. x is referenced, not copied.
template <class T>
struct Saved {
  struct Direction {
    T* x;             // input copied into the direction's own order; null where it already lies so
    T* gates;         // [panel][R + a few][4*lanes]
    T* h;             // [B + R][P], row 0 behind or before the initial state (Walk)
    T* c;             // LSTM [B + R][H]
    T* m;             // with projection [R][H]: o*tanh(c)
    T* rh;            // GRU with reset before [R][H]: r*h_prev
  };
  Saved(const StackShape& shape, const kernels::KernelTable& table, Batch batch);
  const StackShape shape;
  const kernels::KernelTable* table;
  const Batch batch;
  Sequences<T> sequences{};
  DropoutKey key{};
  Arena arena;
  std::vector<Direction> directions;  // [L*D]
  std::vector<T*> layer_inputs;       // [L]: packed rows in time order, after dropout; null for layer 0
};

// Inference: nothing is saved, nothing is dropped.
template <class T>
bool forward(const StackShape& shape, const PackedWeights<T>& weights, const Batch& batch,
             const Sequences<T>& sequences, int threads, Interrupt::Check check);

// Training.
template <class T>
std::unique_ptr<Saved<T>> forward_train(const StackShape& shape, const PackedWeights<T>& weights, const Batch& batch,
                                        const Sequences<T>& sequences, DropoutKey key, int threads,
                                        Interrupt::Check check);

// Gradients of the caller's arrays; null where there is none.
template <class T>
struct SequenceGradients {
  const T* dy;
  const T* dhn;
  const T* dcn;
  T* dx;   // zero on entry
  T* dh0;
  T* dc0;
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
  };
  std::vector<Direction> directions;

 private:
  StackShape shape_;
  const kernels::KernelTable* table_;
  int threads_;
  Arena arena_;
};

template <class T>
std::unique_ptr<WeightGradients<T>> backward(const Saved<T>& saved, const std::vector<Weights<const T>>& weights,
                                             const SequenceGradients<T>& gradients, int threads,
                                             Interrupt::Check check);

}  // namespace pyrnn
