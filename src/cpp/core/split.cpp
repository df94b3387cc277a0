// SPDX-License-Identifier: Apache-2.0
#include "core/split.h"

namespace pyrnn {
namespace {

constexpr Index kRowsForTiles = 8;       // rows per member from which the products' tiles are full enough
constexpr double kWorkForThread = 2e5;   // multiply-adds in a call from which waking a thread pays
constexpr double kWorkForBarrier = 3e4;  // multiply-adds in a step from which meeting after each step pays

}  // namespace

Split Split::plan(const StackShape& shape, const Batch& batch, Index lanes, int threads) {
  const double per_row = static_cast<double>(shape.gates() * shape.hidden) *
                         static_cast<double>(shape.layer_input(shape.layers - 1) + shape.output());
  const double work = per_row * static_cast<double>(batch.packed_rows() * shape.layers * shape.directions);
  const int useful = static_cast<int>(larger(1, smaller(threads, static_cast<Index>(work / kWorkForThread))));
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
