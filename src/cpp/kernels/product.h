// SPDX-License-Identifier: Apache-2.0
// The one matrix product: C = start + A*B, one panel of B at a time (struct Product in kernels.h).
//
// Each element of C is one chain of fused multiply-adds over k ascending, or of what adds the products of a pair
// (pairs.h). The tile only chooses the elements that run together, and the k blocks only store and reload the chain, so
// every tile height and block size gives the same bits.
#pragma once

#include "kernels/caches.h"
#include "kernels/kernels.h"
#include "kernels/pairs.h"

namespace pyrnn::kernels {
namespace {

// Of a vector's groups of packed weights (kTogether), those of term I as the arithmetic sees them. Mask: a register is
// free for a constant.
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
constexpr int kAccumulators = kRegisters == 32 ? 24 : 12;
template <class W = float>
constexpr int max_tile_rows(int width) {
  const int rows = kAccumulators / width < 8 ? kAccumulators / width : 8;
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
  Index step;  // bytes with every k of every tile; beyond 64 the neighbouring line comes without being asked for
  template <class T, class W>
  PYRNN_INLINE FetchAhead(const Product<T, W>& p, Index tiles)
      : next(p.rows >= kRowsToFetch ? reinterpret_cast<const char*>(p.ahead) : nullptr),
        step(next ? ceil_div(p.b_step * static_cast<Index>(sizeof(W)), tiles) : 0) {}
  // What the next N k have to fetch, about a line at a time.
  template <int N>
  PYRNN_INLINE void fetch() {
    constexpr int kFetches = N * kVectorBytes > 64 ? N * kVectorBytes / 64 : 1;
    unroll<kFetches>(PYRNN_UNROLLED(i) { prefetch(next + i * (N / kFetches) * step); });
    next += N * step;
  }
};

// A tile's rows of A and vectors of B. Step: from k to k of A, whose rows are then adjacent; 0: k runs along the row.
template <int Rows_, int Width_, int Panels_, Index Step_>
struct TileShape {
  static constexpr int Rows = Rows_, Width = Width_, Panels = Panels_;
  static constexpr int columns = Width * Panels, sums = Rows * columns;
  static constexpr Index Step = Step_;
};

// The products of one k of the group at b.
template <class T, class Tile, int I, class W>
PYRNN_INLINE void multiply_add_term(const T* a, Index a_row, const W* b, Index b_panel, Vec<T>* sum) {
  constexpr int Rows = Tile::Rows, N = Tile::columns;
  constexpr bool mask = Tile::sums + (Rows < N ? Rows : N) + 2 < kRegisters;
  const auto widened = [&](auto j) __attribute__((always_inline)) {
    return widen<T, I, mask>(b + j / Tile::Width * b_panel + j % Tile::Width * kLanes<T> * kTogether<W>);
  };
  if constexpr (Rows < N) {
    Vec<T> left[Rows];
    unroll<Rows>(PYRNN_UNROLLED(r) {
      left[r] = broadcast(a[r * a_row]);
      hold(left[r]);
    });
    unroll<N>(PYRNN_UNROLLED(j) {
      const Vec<T> right = widened(j);
      unroll<Rows>(PYRNN_UNROLLED(r) { sum[r * N + j] = add_product<T, W>(left[r], right, sum[r * N + j]); });
      if constexpr (kTogether<W> > 1) keep(right);
    });
  } else {
    Vec<T> right[N];
    unroll<N>(PYRNN_UNROLLED(j) {
      right[j] = widened(j);
      hold(right[j]);
    });
    unroll<Rows>(PYRNN_UNROLLED(r) {
      const Vec<T> left = broadcast(a[r * a_row]);
      unroll<N>(PYRNN_UNROLLED(j) { sum[r * N + j] = add_product<T, W>(left, right[j], sum[r * N + j]); });
      if constexpr (kTogether<W> > 1) keep(left);
    });
  }
}

// All k; of one row, and where registers allow it of large tiles, two at a time, since a core that shares its decoder
// with another thread has no room for counting.
template <class T, class Tile, bool Fetching, class W>
PYRNN_INLINE void multiply_add(const Product<T, W>& p, const T* a, const W* b, FetchAhead& ahead, Vec<T>* sum) {
  constexpr int G = kTogether<W>;
  constexpr bool large = 3 * Tile::sums >= 2 * kAccumulators && Tile::Rows < Tile::columns;
  constexpr int kAtOnce = Tile::Rows == 1 || large ? 2 : G;
  const Index a_row = Tile::Step ? 1 : p.a_row;
  constexpr Index a_step = Tile::Step ? Tile::Step : 1;
  Index left = p.length;
  const auto terms = [&](auto count) __attribute__((always_inline)) {
    if constexpr (Fetching) ahead.fetch<count>();
    unroll<count>(PYRNN_UNROLLED(i) {
      multiply_add_term<T, Tile, i % G>(a + i * a_step, a_row, b + i / G * G * p.b_step, p.b_panel, sum);
      // The compiler would begin the next term before this one is done, and run out of registers.
      if constexpr (G > 1 && Tile::Rows > 1) {
        unroll<Tile::sums>(PYRNN_UNROLLED(n) { hold(sum[n]); });
        asm("" : "+r"(b), "+r"(a));
      }
    });
    left -= count;
    a += count * a_step;
    b += count * p.b_step;
  };
  while (left >= kAtOnce) terms(std::integral_constant<int, kAtOnce>{});
  static_assert(kAtOnce <= 2 && G <= 2);
  if (kAtOnce == 2 && left > 0) multiply_add_term<T, Tile, 0>(a, a_row, b, p.b_panel, sum);
}

template <class T, class Tile, class W>
PYRNN_INLINE void run_tile(const Product<T, W>& p, const T* a, FetchAhead& ahead, T* c) {
  constexpr int L = kLanes<T>, N = Tile::columns;
  Vec<T> sum[Tile::sums];
  const int partial = p.last_lanes;
  const auto at = [&](int i) __attribute__((always_inline)) {
    return c + i / N * p.c_row + i % N / Tile::Width * p.c_panel + i % Tile::Width * L;
  };
  if (p.start == Start::zero) {
    unroll<Tile::sums>(PYRNN_UNROLLED(i) { sum[i] = Vec<T>{}; });
  } else if (p.start == Start::bias) {
    unroll<Tile::sums>(PYRNN_UNROLLED(i) { sum[i] = load(p.bias + i % N * L); });
  } else {
    unroll<Tile::sums>(
        PYRNN_UNROLLED(i) { sum[i] = i % N == N - 1 && partial ? load_first(at(i), partial) : load(at(i)); });
  }
  for (Index s = 0; s < p.segments; ++s, a += p.a_segment) {
    const W* b = p.b + s * p.b_segment;
    if (ahead.next)
      multiply_add<T, Tile, Tile::Panels == 1>(p, a, b, ahead, sum);
    else
      multiply_add<T, Tile, false>(p, a, b, ahead, sum);
  }
  unroll<Tile::sums>(PYRNN_UNROLLED(i) {
    if (i % N == N - 1 && partial)
      store_first(at(i), sum[i], partial);
    else
      store(at(i), sum[i]);
  });
}

// The same of rows of A as they lie in memory.
template <class T, class Tile, class W>
PYRNN_INLINE void run_tile_of_rows(const Product<T, W>& p, const T* a, FetchAhead& ahead, T* c) {
  if constexpr (kPairs<T, W>) {
    alignas(kVectorBytes) T pairs[Tile::Rows * places<T, W>(kBlockLength)];
    Product<T, W> q = p;
    q.length = q.a_segment = places<T, W>(p.length);
    if (p.a_paired) return run_tile<T, Tile>(q, a, ahead, c);
    q.a_row = p.segments * q.length;
    for (int r = 0; r < Tile::Rows; ++r)
      for (Index s = 0; s < p.segments; ++s)
        pair_row(a + r * p.a_row + s * p.a_segment, p.length, pairs + r * q.a_row + s * q.length);
    run_tile<T, Tile>(q, pairs, ahead, c);
  } else {
    run_tile<T, Tile>(p, a, ahead, c);
  }
}

// The same of the panels from `panel` on.
template <class T, class W>
PYRNN_INLINE Product<T, W> from_panel(Product<T, W> p, Index panel) {
  p.b += panel * p.b_panel;
  p.c += panel * p.c_panel;
  if (p.start == Start::bias) p.bias += panel * p.width * kLanes<T>;
  return p;
}

template <class T, int Width, class W>
PYRNN_INLINE void multiply_rows(const Product<T, W>& p) {
  constexpr int kPanels = static_cast<int>(smaller(kSideBySide, kAccumulators / Width));
  FetchAhead ahead(p, ceil_div(p.rows, max_tile_rows<W>(Width)));
  if (p.rows == 1)
    return for_each_tile<kPanels>(p.panels, [&](Index panel, auto count) __attribute__((always_inline)) {
      const Product<T, W> group = from_panel(p, panel);
      run_tile_of_rows<T, TileShape<1, Width, count, 0>>(group, group.a, ahead, group.c);
    });
  for_each_tile<max_tile_rows<W>(Width)>(p.rows, [&](Index row, auto height) __attribute__((always_inline)) {
    run_tile_of_rows<T, TileShape<height, Width, 1, 0>>(p, p.a + row * p.a_row, ahead, p.c + row * p.c_row);
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

// Walks a long k in blocks. One row reads B only once, and needs blocks only where it is copied.
template <class T, class W>
void multiply(const Product<T, W>& whole) noexcept {
  if (whole.rows == 1 && !kPairs<T, W>) return multiply_block(whole);
  const Index block_of_b = places<T, W>(kBlockLength) * whole.b_step;
  Product<T, W> block = whole;
  for (Index k = 0; k == 0 || k < whole.length; k += kBlockLength) {
    block.length = smaller(kBlockLength, whole.length - k);
    if (whole.ahead && k + kBlockLength < whole.length)
      block.ahead = block.b + block_of_b;
    else
      block.ahead = whole.ahead;
    multiply_block(block);
    block.a += whole.a_paired ? places<T, W>(kBlockLength) : kBlockLength;
    block.b += block_of_b;
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

  PYRNN_INLINE const W* weight(Index gate_block, Index panel) const {
    const Index first = smaller(gate_block * step_, full_) * q_.map.panel_size();
    return q_.weight + panel * column_panel_size() + places<T, W>(first) * b_step(panel);
  }

  // For the columns of some panels from `panel` on: one, or of one row those of a group.
  PYRNN_INLINE void multiply(Index gate_block, Index panel, Index panels, const W* ahead) const {
    const Index first = smaller(gate_block * step_, full_), row = b_step(panel);
    const bool full = first < full_;
    multiply_block(Product<T, W>{.rows = q_.rows,
                                 .width = static_cast<int>(row / L),
                                 .a = q_.d_gates + first * q_.gates_panel,
                                 .a_row = 4 * L,
                                 .b = weight(gate_block, panel),
                                 .b_step = row,
                                 .segments = full ? smaller(step_, full_ - first) : q_.map.slots,
                                 .length = full ? q_.map.panel_size() : missing_from_,
                                 .a_segment = full ? q_.gates_panel : q_.map.block,
                                 .b_segment = places<T, W>(full ? q_.map.panel_size() : q_.map.block) * row,
                                 .start = gate_block == 0 ? q_.start : Start::add,
                                 .c = q_.c + panel * 4 * L,
                                 .c_row = q_.c_row,
                                 .last_lanes = q_.c_padded ? 0 : static_cast<int>(columns_of(panel) % L),
                                 .panels = panels,
                                 .b_panel = column_panel_size(),
                                 .c_panel = 4 * L,
                                 .ahead = ahead});
  }

 private:
  static constexpr Index L = kLanes<T>;
  PYRNN_INLINE Index column_panel_size() const { return 4 * L * q_.map.panels() * q_.map.panel_size(); }
  PYRNN_INLINE Index columns_of(Index panel) const { return smaller(4 * L, q_.columns - panel * 4 * L); }
  PYRNN_INLINE Index b_step(Index panel) const { return round_up(columns_of(panel), L); }

  const BackProduct<T, W>& q_;
  const Index full_, missing_from_, step_;
};

// dG*W for the columns of some panels. dG of many rows passes by once, block by block; that of few rows stays cached
// (a quarter of the second level, beside weights that pass by), and the weights of all gates pass for one panel of
// columns after the other; of one row, for some of them together.
template <class T, class W>
void back_product(const BackProduct<T, W>& q) noexcept {
  const BackBlocks<T, W> blocks(q);
  const Index gates = blocks.gate_blocks(), columns = q.column_panel_end - q.column_panel_begin,
              count = gates * columns;
  if (q.rows == 1) {
    const PanelMap map{.units = q.columns, .block = 4 * kLanes<T>, .slots = 1, .gate = {}};
    return for_each_group(map, q.rows, q.column_panel_begin, q.column_panel_end, q.descending,
                          [&](Index panel, Index panels) __attribute__((always_inline)) {
                            for (Index gate = 0; gate < gates; ++gate) blocks.multiply(gate, panel, panels, nullptr);
                          });
  }
  const bool few_rows =
      q.rows * q.map.panels() * q.map.panel_size() * static_cast<Index>(sizeof(T)) <= caches.second / 4;
  const auto gate_block = [&](Index n) { return few_rows ? n % gates : n / columns; };
  const auto column_panel = [&](Index n) {
    const Index done = few_rows ? n / gates : n % columns;
    return q.descending ? q.column_panel_end - 1 - done : q.column_panel_begin + done;
  };
  const bool fetching = outgrow_cache<W>(q.map.elements(q.columns), caches);
  for (Index n = 0; n < count; ++n)
    blocks.multiply(gate_block(n), column_panel(n), 1,
                    fetching && n + 1 < count ? blocks.weight(gate_block(n + 1), column_panel(n + 1)) : nullptr);
}

}  // namespace
}  // namespace pyrnn::kernels
