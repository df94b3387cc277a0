// SPDX-License-Identifier: Apache-2.0
// Operations on arrays of any shape. The order of each sum is fixed by the size of its own terms.
#pragma once

#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

// c[n] = a[n] b[n], n < count: many small products at once.
template <class T>
struct BatchedProduct {
  Index count, rows, inner, columns;
  const T* a;  // [count][rows][inner]
  const T* b;  // [count][inner][columns]
  T* c;        // [count][rows][columns]
};
template <class T>
void batched_product(const BatchedProduct<T>& q, int threads, Interrupt::Check check);

// y[r] = the sum of x[r]
template <class T>
void row_sums(const kernels::RowSums<T>& whole, int threads, Interrupt::Check check);

// start + the terms, one after the other: zeros among them and a cut into several sums change no bit.
double sum_in_order(const double* terms, Index count, double start);

}  // namespace pyrnn
