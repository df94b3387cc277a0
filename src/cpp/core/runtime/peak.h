// SPDX-License-Identifier: Apache-2.0
// How much arithmetic this machine does at best, now.
#pragma once

namespace pyrnn {

// Multiplications and additions per second of the calling thread, in T.
template <class T>
double peak_of_thread(double seconds) noexcept;

// Multiplications and additions in float32 per second, of all threads together: each runs multiply-adds in registers
// for `seconds`, with the active instruction set.
double peak_flops(int threads, double seconds) noexcept;

}  // namespace pyrnn
