// SPDX-License-Identifier: Apache-2.0
// The matrix product of bytes: C = start + A*B, of which the sums over k are integers, and exact. Each is then
// multiplied with the scales of its row and its column, in one order for all tiles.
#pragma once

#include "kernels/product.h"
#include "kernels/vec_int8.h"

namespace pyrnn::kernels {
namespace {

template <class Number>
PYRNN_INLINE Number read(const Int8* from) {
  Number number;
  __builtin_memcpy(&number, from, sizeof number);
  return number;
}

// Some rows, and the columns of one panel, or of one row those of some.
template <class D, int Rows, int Width, int Panels>
PYRNN_INLINE void tile_of_bytes(const Product<float, Int8>& p, const Int8* a, float* c) {
  constexpr int L = kLanes<float>, N = Panels * Width, G = kTogether<Int8>;
  const Int8* b = p.b;
  Ints sum[Rows * N] = {};
  const Index whole = round_up(p.length, G);
  for (Index k = 0; k < whole; k += G, b += G * p.b_step) {
    D left[Rows];
    unroll<Rows>(PYRNN_UNROLLED(r) { left[r] = D(read<std::int32_t>(a + r * p.a_row + k)); });
    unroll<N>(PYRNN_UNROLLED(n) {
      const Ints w = load(b + n / Width * p.b_panel + n % Width * L * G);
      unroll<Rows>(PYRNN_UNROLLED(r) { left[r].add(sum[r * N + n], w); });
    });
  }
  unroll<N>(PYRNN_UNROLLED(n) {
    constexpr int j = n % Width, panel = n / Width;
    const Int8* of_column = b + panel * p.b_panel + j * L * G;
    const Vec<float> scale = (Vec<float>)load(of_column);
    const Ints of_signs = D::column * load(of_column + p.b_step * G);
    const int last = j == Width - 1 ? p.last_lanes : 0;
    unroll<Rows>(PYRNN_UNROLLED(r) {
      float* to = c + r * p.c_row + panel * p.c_panel + j * L;
      Vec<float> v{};
      if (p.start == Start::bias) v = load(p.bias + n * L);
      if (p.start == Start::add) v = last ? load_first(to, last) : load(to);
      const Vec<float> scales = scale * broadcast(read<float>(a + r * p.a_row + whole));
      const Ints exact = sum[r * N + n] - of_signs - D::row * read<std::int32_t>(a + r * p.a_row + whole + G);
      v = fma(__builtin_convertvector(exact, Vec<float>), scales, v);
      if (last)
        store_first(to, v, last);
      else
        store(to, v);
    });
  });
}

// As many rows, or of one row panels, as leave the registers room for two numbers of each, a vector of B, its products
// and a constant.
constexpr int max_rows_of_bytes(int width) { return kRegisters == 32 ? 4 : width > 2 ? 2 : 3; }
constexpr int max_panels_of_bytes(int width) {
  return static_cast<int>(smaller(kSideBySide, (kRegisters == 32 ? 16 : 8) / width));
}

// Not inlined: there is one for all cells.
__attribute__((noinline)) void multiply(const Product<float, Int8>& p) noexcept {
  with_dots([&]<class D>(D) __attribute__((always_inline)) {
    with_width<float>(p.width, [&](auto width) __attribute__((always_inline)) {
      if (p.rows == 1)
        return for_each_tile<max_panels_of_bytes(width)>(p.panels,
                                                         [&](Index panel, auto count) __attribute__((always_inline)) {
                                                           const Product<float, Int8> group = from_panel(p, panel);
                                                           tile_of_bytes<D, 1, width, count>(group, group.a, group.c);
                                                         });
      for_each_tile<max_rows_of_bytes(width)>(p.rows, [&](Index row, auto height) __attribute__((always_inline)) {
        tile_of_bytes<D, height, width, 1>(p, p.a + row * p.a_row, p.c + row * p.c_row);
      });
    });
  });
}

}  // namespace
}  // namespace pyrnn::kernels
