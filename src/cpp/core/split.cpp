// SPDX-License-Identifier: Apache-2.0
#include "core/split.h"

#include <algorithm>

namespace pyrnn {
namespace {

constexpr Index kRowsForTiles = 8;       // rows per member from which the products' tiles are full enough
constexpr double kWorkForThread = 2e5;   // multiply-adds in a call from which waking a thread pays
constexpr double kWorkForBarrier = 3e4;  // multiply-adds in a step from which meeting after each step pays
constexpr double kCopiesForThread = 2e5;  // elements to copy from which waking a thread pays

// Multiply-adds per row and step, and so also the elements of the weights, of one layer and direction.
double weights_of_layer(const StackShape& shape) {
  return static_cast<double>(shape.gates() * shape.hidden) *
         static_cast<double>(shape.layer_input(shape.layers - 1) + shape.output());
}

int useful_threads(double work, double work_for_thread, int threads) {
  return std::max(1, static_cast<int>(std::min(static_cast<double>(threads), work / work_for_thread)));
}

}  // namespace

int threads_for_copying(const StackShape& shape, int threads) {
  return useful_threads(weights_of_layer(shape) * static_cast<double>(shape.layers * shape.directions),
                        kCopiesForThread, threads);
}

Split Split::plan(const StackShape& shape, const Batch& batch, Index lanes, int threads) {
  const double per_row = weights_of_layer(shape);
  const double work = per_row * static_cast<double>(batch.packed_rows() * shape.layers * shape.directions);
  const int useful = useful_threads(work, kWorkForThread, threads);
  if (useful == 1 || batch.rows() >= useful * kRowsForTiles) return {useful, false};
  const Index panels = ceil_div(shape.hidden, 4 * lanes);
  const bool steps_are_long = per_row * static_cast<double>(batch.rows()) >= kWorkForBarrier;
  if (steps_are_long && panels >= useful) return {useful, true};
  return {static_cast<int>(larger(1, smaller(useful, batch.rows() / 2))), false};
}

Range Split::rows(const Batch& batch, int rank) const {
  if (by_units || threads == 1) return {0, batch.rows()};
  if (batch.uniform()) return share_of(batch.rows(), rank, threads);
  const auto cut = [&](int member) {
    const Index target = batch.packed_rows() * member / threads;
    Index row = 0, steps = 0;
    while (row < batch.rows() && steps < target) steps += batch.length(row++);
    return row;
  };
  return {cut(rank), rank + 1 == threads ? batch.rows() : cut(rank + 1)};
}

}  // namespace pyrnn
