// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/split.h"

#include <algorithm>
#include <cmath>

#include "core/runtime/caches.h"

namespace pyrnn {
namespace {

// Multiply-adds that take as long as reading a weight from the second-level cache, and from beyond it.
constexpr double kWorkOfRead = 4, kWorkOfFarRead = 8;
// Multiply-adds in a step from which it pays that two members meet after each step; of n, log2 n times as many.
constexpr double kWorkForBarrier = 1e5;

// Where the weights of a layer outgrow one core's second-level cache, a member with rows of its own needs enough of
// them that reading all weights in each step is worth it.
constexpr Index kRowsForWeights = 16;

// Reading them takes a member with few rows about as long as this many more rows: 1, 2, 4 rows take as long as 1.5,
// 2.4, 4.4 rows of a batch of 32.
constexpr double kRowsOfRead = 0.5;
constexpr double kWorthATeam = 1.5;  // times as fast, from which members with few rows pay

bool outgrow_core(double weights, std::size_t element_bytes) {
  return weights * static_cast<double>(element_bytes) >= static_cast<double>(cache_sizes().second);
}

// How many times as fast as one thread are members with the same number of parts each, as far as they go round. A
// smaller team would not be faster: OpenMP ends the threads that it does not need.
double faster(Index parts, int threads, double more) {
  return static_cast<double>(parts) / (static_cast<double>(ceil_div(parts, smaller(parts, threads))) + more);
}

}  // namespace

double weights_of_stack(const StackShape& shape) {
  double sum = 0;
  for (Index layer = 0; layer < shape.layers; ++layer)
    sum += static_cast<double>(shape.gates() * shape.hidden) *
           static_cast<double>(shape.directions * (shape.layer_input(layer) + shape.output()));
  return sum;
}

double work_of_rows(const StackShape& shape, double rows, std::size_t element_bytes) {
  const double weights = weights_of_stack(shape);
  return std::max(outgrow_core(weights, element_bytes) ? kWorkOfFarRead : kWorkOfRead, rows) * weights;
}

Split Split::plan(const StackShape& shape, const Batch& batch, Index lanes, std::size_t element_bytes, int threads) {
  const double weights = weights_of_stack(shape);
  threads = threads_worth(work_of_rows(shape, static_cast<double>(batch.packed_rows()), element_bytes), threads);
  const double per_layer = weights / static_cast<double>(shape.layers * shape.directions);
  const Index enough_rows = outgrow_core(per_layer, element_bytes) ? kRowsForWeights : kRowsForTiles;
  if (threads == 1 || batch.rows() >= threads * enough_rows) return {threads, false};
  const double rows = static_cast<double>(batch.rows());
  const double barrier = kWorkForBarrier * std::log2(threads);
  // Layer normalisation's means are over all units of a row, and so is what a memory is asked with.
  const bool rows_are_whole = shape.options.layer_norm || shape.context > 0;
  const double by_rows = faster(batch.rows(), threads, kRowsOfRead);
  const double by_units =
      per_layer * rows >= barrier && !rows_are_whole ? faster(ceil_div(shape.hidden, 4 * lanes), threads, 0) : 1;
  if (by_units > 1 && by_units >= by_rows) return {threads, true};
  return {by_rows >= kWorthATeam ? threads : 1, false};
}

Range Split::rows(const Batch& batch, Segment steps, int rank) const {
  if (by_units || threads == 1) return {0, batch.rows()};
  if (batch.uniform()) return share_of(batch.rows(), rank, threads);
  const auto cut = [&](int member) {
    const Index target = steps.rows(batch) * member / threads;
    Index row = 0;
    for (Index sum = 0; sum < target; ++row) sum += smaller(batch.length(row), steps.end) - steps.begin;
    return row;
  };
  return {cut(rank), rank + 1 == threads ? batch.rows() : cut(rank + 1)};
}

}  // namespace pyrnn
