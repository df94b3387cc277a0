// SPDX-License-Identifier: Apache-2.0
// Fills the part of the kernel table for chains of hidden states.
#pragma once

#include "kernels/crf.h"
#include "kernels/ctc.h"

namespace pyrnn::kernels {
namespace {

template <class T>
constexpr StructuredKernels<T> structured_kernels() {
  return {
      .crf_forward = crf_forward<T>,
      .crf_backward = crf_backward<T>,
      .viterbi_step = viterbi_step<T>,
      .ctc_forward = ctc_forward<T>,
      .ctc_backward = ctc_backward<T>,
      .scaled_softmax = scaled_softmax<T>,
  };
}

}  // namespace
}  // namespace pyrnn::kernels
