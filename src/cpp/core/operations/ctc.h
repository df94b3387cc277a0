// SPDX-License-Identifier: Apache-2.0
// Connectionist temporal classification over ragged batches: the loss, and decoding.
#pragma once

#include <vector>

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
// where there is none. d_logits, unless it is null, is scale[row] times the gradient, 0 behind the row's steps. With
// zero_infinity a loss that is infinite is 0, and so is its gradient.
template <class T>
bool ctc_loss(const CtcLogits<T>& logits, const CtcTargets& targets, const T* scale, bool zero_infinity, double* losses,
              T* d_logits, int threads, Interrupt::Check check);

struct CtcDecoded {
  std::vector<std::int64_t> labels;
  double log_probability;
};
using CtcDecodings = std::vector<std::vector<CtcDecoded>>;  // of each row, the best first

// The labels of the most probable alignment, and its log-probability: one decoding per row.
template <class T>
bool ctc_greedy(const CtcLogits<T>& logits, CtcDecodings& decodings, int threads, Interrupt::Check check);

// Prefix beam search: the `width` most probable labellings that it finds, with the log of the summed probability of
// all alignments that stayed in the beam; all of them, exactly, where the beam holds all prefixes. Of equals, those
// found first. std::bad_alloc if the beam does not fit in memory.
template <class T>
bool ctc_beam(const CtcLogits<T>& logits, Index width, CtcDecodings& decodings, int threads, Interrupt::Check check);

}  // namespace pyrnn
