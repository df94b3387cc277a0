// SPDX-License-Identifier: Apache-2.0
// The one matrix product: C = start + A*B, one panel of B at a time (struct Product in kernels.h).
//
// Each element of C is one chain of fused multiply-adds over k ascending. The tile only chooses the elements that run
// together, and the k blocks only store and reload the chain, so every tile height and block size gives the same bits.
#pragma once

#include "kernels/caches.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pyrnn::kernels {
namespace {

// Of a vector's groups of packed weights (kTogether), those of term I as the arithmetic sees them. Mask: a register is
// left for a constant.
template <class T, int I, bool Mask>
PYRNN_INLINE Vec<T> widen(const T* weights) {
  return load(weights);
}
template <class T, int I, bool Mask>
PYRNN_INLINE Vec<T> widen(const Bf16* weights) {
  auto pairs = (Bits<T>)load(reinterpret_cast<const T*>(weights));
  if constexpr (I == 0) return (Vec<T>)(pairs << 16);
  if constexpr (Mask) return (Vec<T>)(pairs & ~0xffff);
  pairs >>= 16;
  hold(pairs);  // the compiler would make a mask of the two shifts
  return (Vec<T>)(pairs << 16);
}

// Tile heights that fill the registers with accumulators and leave room for one row of B and one broadcast; of weights
// that have to be widened, for one more.
template <class W = float>
constexpr int max_tile_rows(int width) {
  const int accumulators = kRegisters == 32 ? 24 : 12;
  const int rows = accumulators / width < 8 ? accumulators / width : 8;
  const bool full = rows >= width && rows * width + width + 1 >= kRegisters;
  return kTogether<W> > 1 && full ? rows - 1 : rows;
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

// The B of the next product, fetched while the tiles of this one run: evenly, since a core waits for few lines at a
// time.
struct FetchAhead {
  static constexpr Index kRowsToFetch = 12;  // fewer read B as fast as memory gives it anyway
  const char* next;
  Index
      step;  // bytes with every group of k of every tile; beyond 64 the neighbouring line comes without being asked for
  template <class T, class W>
  PYRNN_INLINE FetchAhead(const Product<T, W>& p, Index tiles)
      : next(p.rows >= kRowsToFetch ? reinterpret_cast<const char*>(p.ahead) : nullptr),
        step(next ? ceil_div(kTogether<W> * p.b_step * static_cast<Index>(sizeof(W)), tiles) : 0) {}
};

// The products of one k, of a group of which the weights at b are.
template <class T, int Rows, int Width, int I, class W>
PYRNN_INLINE void multiply_add_term(const T* a, Index a_row, const W* b, Vec<T>* sum) {
  constexpr int vector = kLanes<T> * kTogether<W>;
  constexpr bool mask = Rows * Width + (Rows < Width ? Rows : Width) + 2 < kRegisters;
  if constexpr (Rows < Width) {
    Vec<T> left[Rows];
    unroll<Rows>(PYRNN_UNROLLED(r) {
      left[r] = broadcast(a[r * a_row]);
      hold(left[r]);
    });
    unroll<Width>(PYRNN_UNROLLED(j) {
      Vec<T> right = widen<T, I, mask>(b + j * vector);
      unroll<Rows>(PYRNN_UNROLLED(r) { sum[r * Width + j] = fma(left[r], right, sum[r * Width + j]); });
      if constexpr (kTogether<W> > 1) keep(right);
    });
  } else {
    Vec<T> right[Width];
    unroll<Width>(PYRNN_UNROLLED(j) {
      right[j] = widen<T, I, mask>(b + j * vector);
      hold(right[j]);
    });
    unroll<Rows>(PYRNN_UNROLLED(r) {
      const Vec<T> left = broadcast(a[r * a_row]);
      unroll<Width>(PYRNN_UNROLLED(j) { sum[r * Width + j] = fma(left, right[j], sum[r * Width + j]); });
      if constexpr (kTogether<W> > 1) keep(left);
    });
  }
}

template <class T, int Rows, int Width, bool UnitRow, bool Fetching, class W>
PYRNN_INLINE void multiply_add(const Product<T, W>& p, const T* a, const W* b, Index length, FetchAhead& ahead,
                               Vec<T>* sum) {
  // UnitRow: A is packed k-major, its rows adjacent; otherwise k runs along the row.
  const Index a_row = UnitRow ? 1 : p.a_row;
  constexpr Index a_step = UnitRow ? Rows : 1;
  constexpr int G = kTogether<W>;
  for (; length >= G; length -= G, a += G * a_step, b += G * p.b_step) {
    if constexpr (Fetching) {
      prefetch(ahead.next);
      ahead.next += ahead.step;
    }
    unroll<G>(PYRNN_UNROLLED(i) {
      multiply_add_term<T, Rows, Width, i>(a + i * a_step, a_row, b, sum);
      // The compiler would begin the next term before this one is done, and run out of registers.
      if constexpr (G > 1) {
        unroll<Rows * Width>(PYRNN_UNROLLED(n) { hold(sum[n]); });
        asm("" : "+r"(b), "+r"(a));
      }
    });
  }
  if constexpr (G > 1) {
    static_assert(G == 2);
    if (length > 0) multiply_add_term<T, Rows, Width, 0>(a, a_row, b, sum);
  }
}

template <class T, int Rows, int Width, bool UnitRow, class W>
PYRNN_INLINE void tile(const Product<T, W>& p, const T* a, FetchAhead& ahead, T* c) {
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
  for (Index s = 0; s < p.segments; ++s, a += p.a_segment) {
    const W* b = p.b + s * p.b_segment;
    if (ahead.next)
      multiply_add<T, Rows, Width, UnitRow, true>(p, a, b, p.length, ahead, sum);
    else
      multiply_add<T, Rows, Width, UnitRow, false>(p, a, b, p.length, ahead, sum);
  }
  unroll<Rows * Width>(PYRNN_UNROLLED(i) {
    T* to = c + (i / Width) * p.c_row + (i % Width) * L;
    if (i % Width == Width - 1 && partial)
      store_first(to, sum[i], partial);
    else
      store(to, sum[i]);
  });
}

template <class T, int Width, class W>
PYRNN_INLINE void multiply_rows(const Product<T, W>& p) {
  FetchAhead ahead(p, ceil_div(p.rows, max_tile_rows<W>(Width)));
  for_each_tile<max_tile_rows<W>(Width)>(p.rows, [&](Index row, auto height) __attribute__((always_inline)) {
    tile<T, height, Width, false>(p, p.a + row * p.a_row, ahead, p.c + row * p.c_row);
  });
}

template <class T, class F>
PYRNN_INLINE void with_width(int width, F&& f) {
  with_height<4>(width, f);
}

// The product over one block of k.
template <class T, class W>
void multiply_block(const Product<T, W>& p) noexcept {
  with_width<T>(p.width, [&](auto width) __attribute__((always_inline)) { multiply_rows<T, width>(p); });
}

template <class T, int Width, int I, class W>
PYRNN_INLINE void multiply_add_two(T a, const W* b, Index b_panel, Vec<T>* sum) {
  const Vec<T> left = broadcast(a);
  unroll<2 * Width>(PYRNN_UNROLLED(n) {
    const W* from = b + n / Width * b_panel + n % Width * kLanes<T> * kTogether<W>;
    sum[n] = fma(left, widen<T, I, true>(from), sum[n]);
  });
}

// One row and two panels, whose biases follow one another.
template <class T, int Width, class W>
PYRNN_INLINE void multiply_two(const Product<T, W>& p) {
  constexpr int L = kLanes<T>, G = kTogether<W>;
  const T* a = p.a;
  const W* b = p.b;
  Vec<T> sum[2 * Width];
  unroll<2 * Width>(PYRNN_UNROLLED(n) {
    const T* from = p.start == Start::bias ? p.bias + n * L : p.c + n / Width * p.c_panel + n % Width * L;
    sum[n] = p.start == Start::zero ? Vec<T>{} : load(from);
  });
  Index left = p.length;
  for (; left >= G; left -= G, a += G, b += G * p.b_step)
    unroll<G>(PYRNN_UNROLLED(i) { multiply_add_two<T, Width, i>(a[i], b, p.b_panel, sum); });
  if (left > 0) multiply_add_two<T, Width, 0>(*a, b, p.b_panel, sum);
  unroll<2 * Width>(PYRNN_UNROLLED(n) { store(p.c + n / Width * p.c_panel + n % Width * L, sum[n]); });
}

// Walks a long k in blocks.
template <class T, class W>
void multiply(const Product<T, W>& whole) noexcept {
  if constexpr (sizeof(W) < sizeof(T))
    if (whole.panels == 2)
      return with_width<T>(whole.width,
                           [&](auto width) __attribute__((always_inline)) { multiply_two<T, width>(whole); });
  Product<T, W> block = whole;
  for (Index k = 0; k == 0 || k < whole.length; k += kBlockLength) {
    block.length = smaller(kBlockLength, whole.length - k);
    if (whole.ahead && k + kBlockLength < whole.length)
      block.ahead = block.b + kBlockLength * whole.b_step;
    else
      block.ahead = whole.ahead;
    multiply_block(block);
    block.a += kBlockLength;
    block.b += kBlockLength * whole.b_step;
    block.start = Start::add;
  }
}

// dG*W in blocks: some columns of the result, and either some full panels of gates or, of a last panel that is not
// full, only the units that exist: a missing unit's gate may be NaN where x is infinite.
template <class T, class W>
class BackBlocks {
 public:
  explicit PYRNN_INLINE BackBlocks(const BackProduct<T, W>& q)
      : q_(q),
        full_(q.map.units / q.map.block),
        missing_from_(q.map.units % q.map.block),
        step_(larger(1, kBlockLength / q.map.panel_size())) {}

  PYRNN_INLINE Index gate_blocks() const { return ceil_div(full_, step_) + (missing_from_ > 0); }
  PYRNN_INLINE Index column_blocks() const { return q_.column_panel_end - q_.column_panel_begin; }

  PYRNN_INLINE const W* weight(Index gate_block, Index column_block) const {
    const Index panel = column_panel(column_block), first = smaller(gate_block * step_, full_) * q_.map.panel_size();
    return q_.weight + panel * 4 * L * q_.map.panels() * q_.map.panel_size() + first * b_step(panel);
  }

  PYRNN_INLINE void multiply(Index gate_block, Index column_block, const W* ahead) const {
    const Index first = smaller(gate_block * step_, full_), panel = column_panel(column_block), row = b_step(panel);
    const bool full = first < full_;
    multiply_block(Product<T, W>{.rows = q_.rows,
                                 .width = static_cast<int>(row / L),
                                 .a = q_.d_gates + first * q_.gates_panel,
                                 .a_row = 4 * L,
                                 .b = weight(gate_block, column_block),
                                 .b_step = row,
                                 .segments = full ? smaller(step_, full_ - first) : q_.map.slots,
                                 .length = full ? q_.map.panel_size() : missing_from_,
                                 .a_segment = full ? q_.gates_panel : q_.map.block,
                                 .b_segment = (full ? q_.map.panel_size() : q_.map.block) * row,
                                 .start = gate_block == 0 ? q_.start : Start::add,
                                 .c = q_.c + panel * 4 * L,
                                 .c_row = q_.c_row,
                                 .last_lanes = q_.c_padded ? 0 : static_cast<int>(columns_of(panel) % L),
                                 .ahead = ahead});
  }

 private:
  static constexpr Index L = kLanes<T>;
  PYRNN_INLINE Index column_panel(Index block) const {
    return q_.descending ? q_.column_panel_end - 1 - block : q_.column_panel_begin + block;
  }
  PYRNN_INLINE Index columns_of(Index panel) const { return smaller(4 * L, q_.columns - panel * 4 * L); }
  PYRNN_INLINE Index b_step(Index panel) const { return round_up(columns_of(panel), L); }

  const BackProduct<T, W>& q_;
  const Index full_, missing_from_, step_;
};

// dG*W for the columns of some panels. dG of many rows passes by once, block by block; that of few rows stays cached
// (a quarter of the second level, beside weights that pass by), and the weights of all gates pass for one panel of
// columns after the other.
template <class T, class W>
void back_product(const BackProduct<T, W>& q) noexcept {
  const BackBlocks<T, W> blocks(q);
  const Index gates = blocks.gate_blocks(), columns = blocks.column_blocks(), count = gates * columns;
  const bool few_rows =
      q.rows * q.map.panels() * q.map.panel_size() * static_cast<Index>(sizeof(T)) <= caches.second / 4;
  const auto gate_block = [&](Index n) { return few_rows ? n % gates : n / columns; };
  const auto column_block = [&](Index n) { return few_rows ? n / gates : n % columns; };
  const bool fetching = outgrow_cache<W>(q.map.elements(q.columns), caches);
  for (Index n = 0; n < count; ++n)
    blocks.multiply(gate_block(n), column_block(n),
                    fetching && n + 1 < count ? blocks.weight(gate_block(n + 1), column_block(n + 1)) : nullptr);
}

}  // namespace
}  // namespace pyrnn::kernels
