// SPDX-License-Identifier: Apache-2.0
// Equal shares of work for the members of a team, and the least work worth a team. No bit depends on either.
#pragma once

#include "core/dims.h"

namespace pyrnn {

struct Range {
  Index begin, end;
  Index size() const { return end - begin; }
  bool empty() const { return begin >= end; }
};

// This member's share of `count` equal pieces.
inline Range share_of(Index count, int rank, int size) { return {count * rank / size, count * (rank + 1) / size}; }

// The same for a member that is one of `size`.
struct Share {
  int rank, size;
  Range of(Index count) const { return share_of(count, rank, size); }
};

constexpr Index kRowsForTiles = 8;  // rows per member from which the products' tiles are full enough

// All of `threads`, or one where `work` (in multiply-adds) is not worth waking the others. Nothing in between: OpenMP
// ends the threads that a smaller team leaves over, and starts them again for the next larger one.
int threads_worth(double work, int threads);

// The same for passes over weights that compute nothing: packing, adding gradients.
constexpr double kWorkOfMove = 16;  // multiply-adds that take as long as moving an element from one layout to another

}  // namespace pyrnn
