// SPDX-License-Identifier: Apache-2.0
// Decoding of connectionist temporal classification: greedy, and by prefix beam search.
#pragma once

#include <vector>

#include "core/operations/ctc.h"

namespace pyrnn {

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
