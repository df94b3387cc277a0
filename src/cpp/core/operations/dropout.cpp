// SPDX-License-Identifier: Apache-2.0
#include "core/operations/dropout.h"

#include <algorithm>

#include "core/runtime/pieces.h"

namespace pyrnn {
namespace {

// One well mixed word of several (the finaliser of splitmix64, Steele et al., OOPSLA 2014): keys that differ in a bit
// give unrelated masks.
std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = a + 0x9E3779B97F4A7C15u * (b + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

template <class T>
kernels::DropoutRow<T> dropout_row_of(const DropoutDraw& draw) {
  kernels::DropoutRow<T> row{};
  row.row = draw.first_row;
  row.key = mixed(mixed(draw.seed, draw.draw), draw.layer);
  row.drop_below = static_cast<std::uint32_t>(std::min(draw.p * 0x1p32, 0x1p32 - 1));
  row.scale = draw.p < 1 ? static_cast<T>(1 / (1 - draw.p)) : T(0);
  return row;
}

template <class T>
void dropout(const DropoutDraw& draw, const DropoutArray<T>& whole, int threads, Interrupt::Check check) {
  const kernels::DropoutRow<T> common = dropout_row_of<T>(draw);
  over_pieces(whole.steps * whole.rows, whole.units, threads, check, [&, &k = active<T>()](Range r) noexcept {
    kernels::DropoutRow<T> row = common;
    row.units = whole.units;
    for (Index i = r.begin; i < r.end; ++i) {
      row.time = static_cast<std::uint32_t>(i / whole.rows);
      row.row = common.row + static_cast<std::uint32_t>(i % whole.rows);
      row.x = whole.x + i * whole.units;
      row.y = whole.y + i * whole.units;
      k.dropout_row(row);
    }
  });
}

#define PYRNN_INSTANTIATE(T)                                             \
  template kernels::DropoutRow<T> dropout_row_of<T>(const DropoutDraw&); \
  template void dropout<T>(const DropoutDraw&, const DropoutArray<T>&, int, Interrupt::Check)

PYRNN_INSTANTIATE(float);
PYRNN_INSTANTIATE(double);
#undef PYRNN_INSTANTIATE

}  // namespace pyrnn
