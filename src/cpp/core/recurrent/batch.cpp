// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/batch.h"

#include <algorithm>
#include <numeric>

namespace pyrnn {

Batch::Batch(Index steps, Index rows, const std::int64_t* lengths, bool packed_arrays)
    : rows_(rows), steps_(steps), packed_arrays_(packed_arrays) {
  if (rows == 0) steps_ = 0;
  uniform_ = !lengths || std::all_of(lengths, lengths + rows, [&](std::int64_t n) { return n == steps; });
  if (uniform_) return;
  original_.resize(at(rows));
  std::iota(original_.begin(), original_.end(), Index{0});
  std::stable_sort(original_.begin(), original_.end(), [&](Index a, Index b) { return lengths[a] > lengths[b]; });
  for (Index row : original_) length_.push_back(static_cast<Index>(lengths[row]));
  steps_ = length_.empty() ? 0 : length_.front();
  offset_.reserve(at(steps_ + 1));
  offset_.push_back(0);
  Index active = rows;
  for (Index t = 0; t < steps_; ++t) {
    while (length_[at(active - 1)] <= t) --active;
    offset_.push_back(offset_.back() + active);
  }
}

Index Batch::step_of(Index packed_row) const {
  if (uniform_) return packed_row / larger(1, rows_);
  return std::upper_bound(offset_.begin(), offset_.end(), packed_row) - offset_.begin() - 1;
}

}  // namespace pyrnn
