// SPDX-License-Identifier: Apache-2.0
// The caller's arrays of one call on a stack, and their gradients.
#pragma once

#include "core/operations/attention.h"
#include "core/operations/linear.h"
#include "core/recurrent/batch.h"

namespace pyrnn {

// What a recurrent layer attends to; the arrays lie as its y does.
template <class T>
struct Attended {
  const Memory<T>* memory = nullptr;       // null: nothing
  const PackedLinear<T>* query = nullptr;  // W_q of the queries W_q h; null: they are h
  T* queries = nullptr;                    // key_size columns: W_q h
  T* weights = nullptr;                    // S columns, before dropout
  T* contexts = nullptr;                   // value_size columns
  double work() const { return memory ? memory->work() : 0; }  // of one query
};
template <class T>
struct AttendedGradient {
  const T* w_query = nullptr;     // [key_size][H], or null
  const T* d_contexts = nullptr;  // or null: zero
  T* d_queries = nullptr;         // of W_q h; zero on entry
  MemoryGradient<T> memory{};
};

// The caller's arrays, C-contiguous but for x. L*D states, layer by layer, forward before reverse.
template <class T>
struct Sequences {
  const T* x;  // I columns
  Strides x_strides;
  const T* h0 = nullptr;  // [L*D][B][P], or null: zero
  const T* c0 = nullptr;  // [L*D][B][H], or null: zero; LSTM
  T* y = nullptr;         // [T][B][layer_output()]; zero where a row has ended; null: not wanted
  T* hn = nullptr;        // [L*D][B][P]
  T* cn = nullptr;        // [L*D][B][H], LSTM
  T* cells = nullptr;     // [T][B][D*H], every c of the last layer as y has every h; or null
  Attended<T> attended{};
};

// What a backward pass reads of them; the other arrays may be gone.
template <class T>
struct SequenceInput {
  const T* x;
  Strides x_strides;
  Attended<T> attended{};
};

// Gradients of the caller's arrays, C-contiguous but for dy and dcells; null where there is none.
template <class T>
struct SequenceGradients {
  const T* dy;
  Strides dy_strides;
  const T* dhn;
  const T* dcn;
  const T* dcells;
  Strides dcells_strides;
  T* dx;   // zero on entry
  T* dh0;
  T* dc0;
  AttendedGradient<T> attended{};
  bool of_weights = true;  // whether those of the weights are wanted
};

struct DropoutKey {
  std::uint64_t seed, draw;
  std::uint32_t first_row = 0;  // of this batch within a larger one
};

}  // namespace pyrnn
