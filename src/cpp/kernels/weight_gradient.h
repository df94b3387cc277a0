// SPDX-License-Identifier: Apache-2.0
// dW = sum over rows of dG^T * A for all rows of a chunk of time steps, computed as dW^T so that dG, which lies ready
// in the gate buffer, is the vector operand and A (x, or the previous h) the broadcast one.
#pragma once

#include "kernels/product.h"

namespace pyrnn::kernels {
namespace {

constexpr Index kColumnBlock = 48;  // columns of A at a time: their strips stay cached while dG passes by

// Copies columns [begin, end) of A's rows into strips of the tiles' heights, k (the row) slowest inside a strip.
template <class T, int Max>
PYRNN_INLINE void pack_strips(const WeightGradient<T>& w, Index begin, Index end, T* out) {
  for_each_tile<Max>(end - begin, [&](Index first, auto height) __attribute__((always_inline)) {
    T* strip = out + first * w.rows;
    const Index real = smaller(height, w.columns - begin - first);  // the last column may be the one of ones
    for (Index n = 0; n < w.block_count; ++n) {
      const T* a = w.blocks[n].a + begin + first;
      for (Index r = 0; r < w.blocks[n].rows; ++r, a += w.a_row, strip += height) {
        if (real == height) {
          unroll<height>(PYRNN_UNROLLED(i) { strip[i] = a[i]; });
        } else {
          for (Index i = 0; i < real; ++i) strip[i] = a[i];
          strip[real] = T(1);
        }
      }
    }
  });
}

// Some runs of dG's rows: sums (+)= A^T * dG for all columns of the block.
template <class T, int Width>
PYRNN_INLINE void gradient_runs(const T* strips, Index strip_rows, Index first_row, Index segments, Index rows,
                                const T* d_gates, Index stride, Index columns, T* sums) {
  constexpr Index L = kLanes<T>;
  for_each_tile<max_tile_rows(Width)>(columns, [&](Index first, auto height) __attribute__((always_inline)) {
    const Product<T> p{.rows = height,
                       .width = Width,
                       .a = nullptr,
                       .a_row = 1,
                       .b = d_gates,
                       .b_step = 4 * L,
                       .segments = segments,
                       .length = rows,
                       .a_segment = rows * height,
                       .b_segment = stride,
                       .start = first_row == 0 ? Start::zero : Start::add,
                       .c = nullptr,
                       .c_row = Width * L};
    tile<T, height, Width, true>(p, strips + first * strip_rows + first_row * height, sums + first * Width * L);
  });
}

// One panel: the chain over all rows of the chunk runs through `sums`, and is then added to what other chunks gave.
template <class T, int Width>
PYRNN_INLINE void gradient_panel(const WeightGradient<T>& w, const T* strips, T* sums, const T* d_gates, Index columns,
                                 T* out, Index out_row) {
  constexpr Index L = kLanes<T>;
  const Index runs = larger(1, kBlockLength / w.segment_rows);
  for (Index s = 0; s < w.segments; s += runs)
    for (Index r = 0; r < w.segment_rows; r += kBlockLength) {
      const Index segments = smaller(runs, w.segments - s), rows = smaller(kBlockLength, w.segment_rows - r);
      gradient_runs<T, Width>(strips, w.rows, s * w.segment_rows + r, segments, rows,
                              d_gates + s * w.segment_stride + r * 4 * L, w.segment_stride, columns, sums);
    }
  for (Index c = 0; c < columns; ++c)
    unroll<Width>(PYRNN_UNROLLED(j) {
      T* to = out + c * out_row + j * L;
      store(to, load(to) + load(sums + (c * Width + j) * L));
    });
}

template <class T, int Width>
PYRNN_INLINE void gradient_columns(const WeightGradient<T>& w, Index panel_begin, Index panel_end) {
  constexpr Index L = kLanes<T>;
  T* sums = w.scratch;
  T* strips = w.scratch + kColumnBlock * 4 * L;
  for (Index begin = w.column_begin; begin < w.column_end; begin += kColumnBlock) {
    const Index end = smaller(begin + kColumnBlock, w.column_end);
    pack_strips<T, max_tile_rows(Width)>(w, begin, end, strips);
    for (Index panel = panel_begin; panel < panel_end; ++panel)
      gradient_panel<T, Width>(w, strips, sums, w.d_gates + panel * w.gates_panel, end - begin,
                               w.out + (panel * (w.columns + 1) + begin) * w.map.panel_size(), w.map.panel_size());
  }
}

template <class T>
void weight_gradient(const WeightGradient<T>& w) noexcept {
  const Index last = w.map.panels() - 1;
  const int full = static_cast<int>(w.map.panel_size() / kLanes<T>);
  const int tail = w.map.width(last, kLanes<T>);
  if (w.rows == 0) return;
  with_width<T>(full, [&](auto width) __attribute__((always_inline)) {
    gradient_columns<T, width>(w, 0, tail == full ? last + 1 : last);
  });
  if (tail != full)
    with_width<T>(tail,
                  [&](auto width) __attribute__((always_inline)) { gradient_columns<T, width>(w, last, last + 1); });
}

template <class T>
Index weight_gradient_scratch(Index rows) noexcept {
  return kColumnBlock * (4 * kLanes<T> + rows);
}

}  // namespace
}  // namespace pyrnn::kernels
