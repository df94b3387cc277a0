// SPDX-License-Identifier: Apache-2.0
// Linear-chain conditional random fields over ragged batches.
#pragma once

#include "core/operations/pool.h"
#include "core/runtime/interrupt.h"

namespace pyrnn {

// The score of a path is start[first] + the emissions of its tags + the transitions between them + end[last].
template <class T>
struct CrfScores {
  PooledRows of;         // its columns are the tags
  const T* emissions;    // steps and rows as `of` says, [tags]
  const T* transitions;  // [from][to]
  const T* start;        // [tags]
  const T* end;          // [tags]
};

// What crf_likelihood writes; null for what is not asked for. Without the emissions' there are no others.
template <class T>
struct CrfGradients {
  const T* scale;    // of each row's gradients; those of a row with 0 are 0, whatever its emissions are
  T* d_emissions;    // as the emissions
  T* d_transitions;  // [from][to]
  T* d_start;        // [tags]
  T* d_end;          // [tags]
};

// values[row] = log of the sum of exp(score) over all paths, less the score of the row's path where `paths` is given:
// the negative log-likelihood. The gradient of the emissions is then the posterior of each tag, less 1 at the path's;
// without paths it is the posterior. Rows without steps have value 0. paths lies as the emissions do, without tags.
template <class T>
bool crf_likelihood(const CrfScores<T>& scores, const std::int64_t* paths, const CrfGradients<T>& gradients,
                    double* values, int threads, Interrupt::Check check);

}  // namespace pyrnn
