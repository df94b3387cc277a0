// SPDX-License-Identifier: Apache-2.0
// dW = sum over rows of dG^T * A for all rows of a chunk of time steps, computed as dW^T so that dG, already in
// the gate buffer, is the vector operand and A (x, or the previous h) the broadcast one.
#pragma once

#include "kernels/product.h"

namespace pyrnn::kernels {
namespace {

// Columns of A that one call may take: as many as keep their strips in half of the second-level cache, since each call
// reads dG once, and dG may not fit that cache.
constexpr Index kFewestColumns = 72, kMostColumns = 216;
template <class T>
PYRNN_INLINE Index strip_elements() {
  return caches.second / 2 / static_cast<Index>(sizeof(T));
}
template <class T>
Index weight_gradient_columns(Index rows) noexcept {
  const Index fitting = strip_elements<T>() / larger(1, rows) / kFewestColumns * kFewestColumns;
  return smaller(larger(fitting, kFewestColumns), kMostColumns);
}

// A block of dG's rows as pairs (pairs.h): each run of a single row has nothing beside it.
template <class T>
PYRNN_INLINE constexpr Index paired_rows() {
  return kPairs<T> ? kBlockLength * 4 * kLanes<T> : 0;
}

// Enough for any call of at most `rows` rows: fewer rows may take more columns.
template <class T>
Index weight_gradient_scratch(Index rows) noexcept {
  return kMostColumns * 4 * kLanes<T> + paired_rows<T>() +
         smaller(kMostColumns * rows, larger(strip_elements<T>(), kFewestColumns * rows));
}

// Copies columns [begin, end) of A's rows into strips of the tiles' heights, k (the row) slowest inside a strip.
template <class T, int Max>
PYRNN_INLINE void pack_strips(const WeightGradient<T>& w, Index begin, Index end, T* out) {
  constexpr Index kRowsAtOnce = 32;  // their cache lines serve all strips
  for (Index n = 0, done = 0; n < w.block_count; done += w.blocks[n++].rows)
    for (Index from = 0; from < w.blocks[n].rows; from += kRowsAtOnce) {
      const Index rows = smaller(kRowsAtOnce, w.blocks[n].rows - from);
      for_each_tile<Max>(end - begin, [&](Index first, auto height) __attribute__((always_inline)) {
        const T* a = w.blocks[n].a + from * w.a_row + begin + first;
        T* strip = out + first * w.rows + (done + from) * height;
        const Index real = smaller(height, w.columns - begin - first);  // the last column may be the one of ones
        for (Index r = 0; r < rows; ++r, a += w.a_row, strip += height) {
          if (real == height) {
            __builtin_memcpy(strip, a, height * sizeof(T));
          } else {
            for (Index i = 0; i < real; ++i) strip[i] = a[i];
            strip[real] = T(1);
          }
        }
      });
    }
}

// The same of pairs of rows, as the runs of dG's rows have them.
template <class T, int Max>
PYRNN_INLINE void pack_strips_of_pairs(const WeightGradient<T>& w, Index begin, Index end, T* out) {
  constexpr Index L = kLanes<T>;
  const Index all = end - begin, real = smaller(all, w.columns - begin),
              strip_rows = w.segments * places<T>(w.segment_rows);
  Index block = 0, row = 0;
  const auto next_row = [&] {
    while (row == w.blocks[block].rows) ++block, row = 0;
    return w.blocks[block].a + row++ * w.a_row + begin;
  };
  for (Index s = 0, place = 0; s < w.segments; ++s)
    for (Index r = 0; r < w.segment_rows; r += 2, ++place) {
      const bool two = r + 1 < w.segment_rows;
      const T *first = next_row(), *second = two ? next_row() : nullptr;
      alignas(kVectorBytes) T pairs[round_up(kMostColumns, L)];
      for (Index c = 0; c < real; c += L) {
        const int left = static_cast<int>(smaller(L, real - c));
        store(pairs + c, paired<T>(load_first(first + c, left), two ? load_first(second + c, left) : Vec<T>{}));
      }
      if (real < all) pairs[real] = paired<T>(broadcast(T(1)), broadcast(T(two)))[0];
      for_each_tile<Max>(all, [&](Index column, auto height) __attribute__((always_inline)) {
        __builtin_memcpy(out + column * strip_rows + place * height, pairs + column, height * sizeof(T));
      });
    }
}

// Some runs of dG's rows, from `first_row` of the chunk on: sums (+)= A^T * dG for all columns of the block.
template <class T, int Width>
PYRNN_INLINE void gradient_runs(Product<T> runs, Index first_row, const T* strips, Index strip_rows, Index columns,
                                T* sums) {
  FetchAhead ahead(runs, ceil_div(columns, max_tile_rows(Width)));
  for_each_tile<max_tile_rows(Width)>(columns, [&](Index first, auto height) __attribute__((always_inline)) {
    runs.a_segment = runs.length * height;
    run_tile<T, TileShape<height, Width, 1, height>>(runs, strips + first * strip_rows + first_row * height, ahead,
                                                     sums + first * Width * kLanes<T>);
  });
}

// The rows of B as pairs, to `pairs`.
template <class T, int Width>
PYRNN_INLINE void pair_rows_of_b(Product<T>& p, T* pairs) {
  constexpr Index L = kLanes<T>;
  T* to = pairs;
  for (Index s = 0; s < p.segments; ++s)
    for (Index r = 0; r < p.length; r += 2, to += Width * L) {
      const T *first = p.b + s * p.b_segment + r * p.b_step, *second = r + 1 < p.length ? first + p.b_step : nullptr;
      unroll<Width>(PYRNN_UNROLLED(j) {
        store(to + j * L, paired<T>(load(first + j * L), second ? load(second + j * L) : Vec<T>{}));
      });
    }
  p.b = pairs;
  p.b_step = Width * L;
  p.length = places<T>(p.length);
  p.b_segment = p.length * p.b_step;
}

// One panel: the chain over all rows of the chunk runs through `sums`, and is then added to what other chunks gave.
template <class T, int Width>
PYRNN_INLINE void gradient_panel(const WeightGradient<T>& w, const T* strips, T* sums, [[maybe_unused]] T* pairs,
                                 const T* d_gates, const T* next_panel, Index columns, T* out, Index out_row) {
  constexpr Index L = kLanes<T>;
  const Index runs = larger(1, kBlockLength / w.segment_rows);
  // Where the rows of the runs from `run` on begin in memory.
  const auto first_read = [&](const T* panel, Index run) {
    const Index last_run = smaller(run + runs, w.segments) - 1;
    return panel + (w.segment_stride < 0 ? last_run : run) * w.segment_stride;
  };
  const Index run_places = places<T>(w.segment_rows);
  for (Index s = 0; s < w.segments; s += runs)
    for (Index r = 0; r < w.segment_rows; r += kBlockLength) {
      const Index first_row = s * run_places + places<T>(r);
      const bool last = s + runs >= w.segments;
      const T* block = d_gates + s * w.segment_stride + r * 4 * L;
      Product<T> product{.rows = columns,
                         .width = Width,
                         .a = nullptr,
                         .a_row = 1,
                         .b = block,
                         .b_step = 4 * L,
                         .segments = smaller(runs, w.segments - s),
                         .length = smaller(kBlockLength, w.segment_rows - r),
                         .b_segment = w.segment_stride,
                         .start = first_row == 0 ? Start::zero : Start::add,
                         .c = nullptr,
                         .c_row = Width * L,
                         .ahead = r + kBlockLength < w.segment_rows ? block + kBlockLength * 4 * L
                                  : !last                           ? first_read(d_gates, s + runs)
                                  : next_panel                      ? first_read(next_panel, 0)
                                                                    : nullptr};
      if constexpr (kPairs<T>) pair_rows_of_b<T, Width>(product, pairs);
      gradient_runs<T, Width>(product, first_row, strips, w.segments * run_places, columns, sums);
    }
  for (Index c = 0; c < columns; ++c)
    unroll<Width>(PYRNN_UNROLLED(j) {
      T* to = out + c * out_row + j * L;
      store(to, load(to) + load(sums + (c * Width + j) * L));
    });
}

template <class T, int Width>
PYRNN_INLINE void gradient_panels(const WeightGradient<T>& w, Index panel_begin, Index panel_end) {
  constexpr Index L = kLanes<T>;
  const Index columns = w.column_end - w.column_begin;
  T* sums = w.scratch;
  T* pairs = w.scratch + columns * 4 * L;
  T* strips = pairs + paired_rows<T>();
  if constexpr (kPairs<T>)
    pack_strips_of_pairs<T, max_tile_rows(Width)>(w, w.column_begin, w.column_end, strips);
  else
    pack_strips<T, max_tile_rows(Width)>(w, w.column_begin, w.column_end, strips);
  for (Index panel = panel_begin; panel < panel_end; ++panel) {
    const T* d_gates = w.d_gates + panel * w.gates_panel;
    const T* next_panel = panel + 1 < panel_end ? d_gates + w.gates_panel : nullptr;
    gradient_panel<T, Width>(w, strips, sums, pairs, d_gates, next_panel, columns,
                             w.out + (panel * (w.columns + 1) + w.column_begin) * w.map.panel_size(),
                             w.map.panel_size());
  }
}

template <class T>
void weight_gradient(const WeightGradient<T>& w) noexcept {
  const Index last = w.map.panels() - 1;
  const int full = static_cast<int>(w.map.panel_size() / kLanes<T>);
  const int tail = w.map.width(last, kLanes<T>);
  if (w.rows == 0) return;
  with_width<T>(full, [&](auto width) __attribute__((always_inline)) {
    gradient_panels<T, width>(w, 0, tail == full ? last + 1 : last);
  });
  if (tail != full)
    with_width<T>(tail,
                  [&](auto width) __attribute__((always_inline)) { gradient_panels<T, width>(w, last, last + 1); });
}

}  // namespace
}  // namespace pyrnn::kernels
