// SPDX-License-Identifier: Apache-2.0
// The one matrix product: C = start + A*B, one panel of B at a time (struct Product in kernels.h).
//
// Each element of C is one chain of fused multiply-adds over k ascending. The tile only chooses which elements run
// together and the k blocks only store and reload the chain, so every tile height and block size gives the same bits.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pyrnn::kernels {
namespace {

// Tile heights that fill the registers with accumulators and leave room for one row of B and one broadcast.
constexpr int max_tile_rows(int width) {
  const int accumulators = kRegisters == 32 ? 24 : 12;
  return accumulators / width < 8 ? accumulators / width : 8;
}

// Blocks of B of about this many k stay in the second-level cache while all rows pass over them.
constexpr Index kBlockLength = 512;

// Splits rows into tiles of nearly equal height, calls f(first row, integral_constant<height>): 8 rows are 4 + 4, not 6
// + 2.
template <int Max, class F>
PYRNN_INLINE void with_height(Index height, F&& f) {
  if constexpr (Max > 0) {
    if (height == Max)
      f(std::integral_constant<int, Max>{});
    else
      with_height<Max - 1>(height, f);
  }
}
template <int Max, class F>
PYRNN_INLINE void for_each_tile(Index rows, F&& f) {
  for (Index row = 0; row < rows;) {
    const Index left = rows - row;
    const Index height = ceil_div(left, ceil_div(left, Max));
    with_height<Max>(height, [&](auto h) __attribute__((always_inline)) { f(row, h); });
    row += height;
  }
}

template <class T, int Rows, int Width, bool UnitRow>
PYRNN_INLINE void multiply_add(const Product<T>& p, const T* a, const T* b, Index length, Vec<T>* sum) {
  // UnitRow: A is packed k-major, its rows adjacent; otherwise k runs along the row.
  const Index a_row = UnitRow ? 1 : p.a_row;
  constexpr Index a_step = UnitRow ? Rows : 1;
  for (Index k = 0; k < length; ++k, a += a_step, b += p.b_step) {
    if constexpr (Rows < Width) {
      Vec<T> left[Rows];
      unroll<Rows>(PYRNN_UNROLLED(r) {
        left[r] = broadcast(a[r * a_row]);
        hold(left[r]);
      });
      unroll<Width>(PYRNN_UNROLLED(j) {
        const Vec<T> right = load(b + j * kLanes<T>);
        unroll<Rows>(PYRNN_UNROLLED(r) { sum[r * Width + j] = fma(left[r], right, sum[r * Width + j]); });
      });
    } else {
      Vec<T> right[Width];
      unroll<Width>(PYRNN_UNROLLED(j) {
        right[j] = load(b + j * kLanes<T>);
        hold(right[j]);
      });
      unroll<Rows>(PYRNN_UNROLLED(r) {
        const Vec<T> left = broadcast(a[r * a_row]);
        unroll<Width>(PYRNN_UNROLLED(j) { sum[r * Width + j] = fma(left, right[j], sum[r * Width + j]); });
      });
    }
  }
}

template <class T, int Rows, int Width, bool UnitRow>
PYRNN_INLINE void tile(const Product<T>& p, const T* a, T* c) {
  constexpr int L = kLanes<T>;
  Vec<T> sum[Rows * Width];
  const int partial = p.last_lanes;
  if (p.start == Start::zero) {
    unroll<Rows * Width>(PYRNN_UNROLLED(i) { sum[i] = Vec<T>{}; });
  } else if (p.start == Start::bias) {
    unroll<Rows * Width>(PYRNN_UNROLLED(i) { sum[i] = load(p.bias + (i % Width) * L); });
  } else {
    unroll<Rows * Width>(PYRNN_UNROLLED(i) {
      const T* from = c + (i / Width) * p.c_row + (i % Width) * L;
      sum[i] = i % Width == Width - 1 && partial ? load_first(from, partial) : load(from);
    });
  }
  for (Index s = 0; s < p.segments; ++s)
    multiply_add<T, Rows, Width, UnitRow>(p, a + s * p.a_segment, p.b + s * p.b_segment, p.length, sum);
  unroll<Rows * Width>(PYRNN_UNROLLED(i) {
    T* to = c + (i / Width) * p.c_row + (i % Width) * L;
    if (i % Width == Width - 1 && partial)
      store_first(to, sum[i], partial);
    else
      store(to, sum[i]);
  });
}

template <class T, int Width>
PYRNN_INLINE void multiply_rows(const Product<T>& p) {
  for_each_tile<max_tile_rows(Width)>(p.rows, [&](Index row, auto height) __attribute__((always_inline)) {
    tile<T, height, Width, false>(p, p.a + row * p.a_row, p.c + row * p.c_row);
  });
}

template <class T, class F>
PYRNN_INLINE void with_width(int width, F&& f) {
  with_height<4>(width, f);
}

// The product over one block of k.
template <class T>
void multiply_block(const Product<T>& p) noexcept {
  with_width<T>(p.width, [&](auto width) __attribute__((always_inline)) { multiply_rows<T, width>(p); });
}

// Walks k in blocks: several whole segments at a time, or pieces of a long one.
template <class T>
void multiply(const Product<T>& whole) noexcept {
  Product<T> block = whole;
  const Index total = whole.segments * whole.length;
  if (total <= kBlockLength) return multiply_block(whole);
  if (whole.segments > 1) {
    const Index step = larger(1, kBlockLength / whole.length);
    for (Index s = 0; s < whole.segments; s += step) {
      block.segments = smaller(step, whole.segments - s);
      multiply_block(block);
      block.a += step * whole.a_segment;
      block.b += step * whole.b_segment;
      block.start = Start::add;
    }
    return;
  }
  for (Index k = 0; k < whole.length; k += kBlockLength) {
    block.length = smaller(kBlockLength, whole.length - k);
    multiply_block(block);
    block.a += kBlockLength;
    block.b += kBlockLength * whole.b_step;
    block.start = Start::add;
  }
}

// dG*W for the columns of some panels. The gates of a full panel lie one behind the other; of a last panel that is not
// full only the units that exist are summed: a missing unit's gate may be NaN where x is infinite.
template <class T>
void back_product(const BackProduct<T>& q) noexcept {
  constexpr Index L = kLanes<T>;
  const Index full = q.map.units / q.map.block;
  const Index missing_from = q.map.units - full * q.map.block;
  for (Index panel = q.column_panel_begin; panel < q.column_panel_end; ++panel) {
    const Index columns = smaller(4 * L, q.columns - panel * 4 * L);
    const int width = static_cast<int>(ceil_div(columns, L));
    const int partial = q.c_padded ? 0 : static_cast<int>(columns % L);
    const Index row_of_b = width * L;
    Product<T> p{.rows = q.rows,
                 .width = width,
                 .a = q.d_gates,
                 .a_row = 4 * L,
                 .b = q.weight + panel * 4 * L * q.map.panels() * q.map.panel_size(),
                 .b_step = row_of_b,
                 .segments = full,
                 .length = q.map.panel_size(),
                 .a_segment = q.gates_panel,
                 .b_segment = q.map.panel_size() * row_of_b,
                 .start = q.start,
                 .c = q.c + panel * (q.c_panel ? q.c_panel : 4 * L),
                 .c_row = q.c_row,
                 .last_lanes = partial};
    if (full > 0) {
      multiply(p);
      p.start = Start::add;
    }
    if (missing_from > 0) {
      p.a += full * p.a_segment;
      p.b += full * p.b_segment;
      p.segments = q.map.slots;
      p.length = missing_from;
      p.a_segment = q.map.block;
      p.b_segment = q.map.block * row_of_b;
      multiply(p);
    }
  }
}

}  // namespace
}  // namespace pyrnn::kernels
