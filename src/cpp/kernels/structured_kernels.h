// SPDX-License-Identifier: Apache-2.0
// The part of the kernel table for chains of hidden states, CRF and CTC, and its argument structs: one time step each.
//
// alpha[s] is the log of the weight of all partial paths that end in state s, minus the step's largest, so that its
// size does not grow with time. A forward step saves what its backward step needs: with x[i][s] = before[i] +
// transition,
//
//   shift[s] = max over i of x[i][s], 0 where all are -inf      sum[s] = sum over i of exp(x[i][s] - shift[s])
//   alpha[s] = log(sum[s]) + shift[s] + emissions[s] - largest
//
// The backward step turns the posterior of a step's states into that of the step before, through the probability
// exp(x[i][s] - shift[s]) / sum[s] that state i came before s: no beta, no difference of large logarithms.
//
// Rows of states are padded to whole vectors, with -inf as alpha, and their padding is written.
#pragma once

#include "core/dims.h"
#include "kernels/elementwise_kernels.h"

namespace pyrnn::kernels {

template <class T>
struct CrfForward {
  Index from, to;        // states before and now
  const T* transitions;  // [from][to, padded with -inf]
  const T* before;       // [from] alpha
  const T* emissions;    // [to], or null: 0
  T* shift;              // [to, padded]
  T* sum;                // [to, padded]
  T* alpha;              // [to, padded]
};

template <class T>
struct CrfBackward {
  Index from, to;
  const T* transitions;  // [to][from, padded]
  const T* before;       // [from, padded] alpha
  const T* shift;        // [to, padded]
  const T* sum;          // [to, padded]
  const T* posterior;    // [to, padded]
  T* share;              // [to, padded] scratch
  T* d_transitions;      // [to][from, padded] added to: the posteriors of pairs
  T* posterior_before;   // [from, padded]
};

template <class T>
struct ViterbiStep {
  Index from, to;
  const T* transitions;  // as CrfForward's
  const T* before;
  const T* emissions;
  T* score;             // [to, padded] of the best path that ends here, less the largest of the step
  StepNumber<T>* best;  // [to, padded] the first state before that is on such a path
};

// State s follows s, s - 1, and s - 2 where skip[s] is 0 and not -inf. `before` may be read two elements before
// its first; skip, shift and share have two elements after their padding: -inf, 0 and 0.
template <class T>
struct CtcForward {
  Index states;
  const T* before;
  const T* skip;
  const T* emissions;  // padded with -inf
  T* shift;
  T* sum;
  T* alpha;
};

template <class T>
struct CtcBackward {
  Index states;
  const T* before;
  const T* skip;
  const T* shift;
  const T* sum;
  const T* posterior;
  T* share;  // scratch
  T* posterior_before;
};

// y = scale * softmax(x)
template <class T>
struct ScaledSoftmax {
  Index columns;
  T scale;
  const T* x;  // [columns]
  T* y;        // [columns]
};

// log of the sum of exp(x) = largest + log_sum, apart: one number would be rounded as coarsely as `largest`.
template <class T>
struct LogSum {
  T largest, log_sum;
};

template <class T>
struct StructuredKernels {
  T (*crf_forward)(const CrfForward<T>&) noexcept;  // returns what was taken off alpha: the largest, 0 if that is -inf
  void (*crf_backward)(const CrfBackward<T>&) noexcept;
  T (*viterbi_step)(const ViterbiStep<T>&) noexcept;  // returns as crf_forward
  T (*ctc_forward)(const CtcForward<T>&) noexcept;  // returns as crf_forward
  void (*ctc_backward)(const CtcBackward<T>&) noexcept;
  LogSum<T> (*scaled_softmax)(const ScaledSoftmax<T>&) noexcept;
};

}  // namespace pyrnn::kernels
