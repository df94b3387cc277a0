// SPDX-License-Identifier: Apache-2.0
// The best path of a linear-chain conditional random field.
#pragma once

#include "core/operations/crf.h"

namespace pyrnn {

// The path [row][steps] of the highest score, and the score in double; of equal ones that of the lower tags, last
// first.
template <class T>
bool crf_viterbi(const CrfScores<T>& scores, std::int64_t* paths, double* values, int threads, Interrupt::Check check);

}  // namespace pyrnn
