// SPDX-License-Identifier: Apache-2.0
// Connectionist temporal classification over ragged batches: the loss.
#pragma once

#include "core/operations/pool.h"
#include "core/runtime/interrupt.h"

namespace pyrnn {

template <class T>
struct CtcLogits {
  PooledRows of;  // its columns are the classes
  const T* logits;
  Index blank;
};

struct CtcTargets {
  const std::int64_t* labels;   // [rows][most], no blanks
  const std::int64_t* lengths;  // [rows]
  Index most;
};

// losses[row] = -log of the probability that softmax(logits) gives to all alignments of the row's labels, infinite
// where there is none. d_logits, unless it is null, is scale[row] times the gradient, 0 after the row's steps. With
// zero_infinity a loss that is infinite is 0, and so is its gradient.
template <class T>
struct CtcLosses {
  const T* scale;  // [rows]
  bool zero_infinity;
  double* losses;  // [rows]
  T* d_logits;     // as the logits
};
template <class T>
bool ctc_loss(const CtcLogits<T>& logits, const CtcTargets& targets, const CtcLosses<T>& losses, int threads,
              Interrupt::Check check);

}  // namespace pyrnn
