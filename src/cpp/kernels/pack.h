// SPDX-License-Identifier: Apache-2.0
// Conversion of weights between torch's layout, rows gate*H + unit, and the panels that the products read.
#pragma once

#include "kernels/narrow.h"
#include "kernels/product.h"

namespace pyrnn::kernels {
namespace {

// Columns between two k of a forward panel.
template <class T>
PYRNN_INLINE Index panel_row(const PanelMap& map, Index panel) {
  return map.width(panel, kLanes<T>) * kLanes<T>;
}

// Weights are read in rows too far apart for the processor to fetch ahead by itself. kLinesAhead lines of each row, and
// kRowsAhead rows of a panel of columns, are fetched before their turn.
template <class T>
constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));
constexpr Index kLinesAhead = 4, kRowsAhead = 16;

// Transposes a matrix (rows, columns) in blocks of whole vectors. put(column, row, v) takes lanes rows of
// a column; missing rows are zero.
template <class T, class F>
PYRNN_INLINE void for_each_transposed(const T* from, Index stride, Index rows, Index columns, F&& put) {
  constexpr Index L = kLanes<T>, kAhead = kLinesAhead * kLine<T>;
  for (Index row = 0; row < rows; row += L)
    for (Index column = 0, fetched = columns - kAhead; column < columns; column += L) {
      const int tall = static_cast<int>(smaller(L, rows - row)), wide = static_cast<int>(smaller(L, columns - column));
      const T* block = from + row * stride + column;
      if (column < fetched)
        for (Index i = column % kLine<T> / L; i < tall; i += kLine<T> / L) prefetch(block + i * stride + kAhead);
      Vec<T> lines[L] = {};
      if (tall == L && wide == L)
        unroll<L>(PYRNN_UNROLLED(i) { lines[i] = load(block + i * stride); });
      else
        for (int i = 0; i < tall; ++i) lines[i] = load_first(block + i * stride, wide);
      transpose<T>(lines);
      for (int i = 0; i < wide; ++i) put(column + i, row, lines[i]);
    }
}

// A vector of weights as they are packed: to the same place of neighbouring groups. Those for bf16 are numbers of bf16.
template <class T>
PYRNN_INLINE void narrow(Vec<T> weights, T* to) {
  store(to, weights);
}
PYRNN_INLINE void narrow(Vec<float> weights, Bf16* to) {
  const auto bits = (Bits<float>)weights;
  for (int i = 0; i < kLanes<float>; ++i)
    to[i * kTogether<Bf16>] = {static_cast<std::uint16_t>(static_cast<std::uint32_t>(bits[i]) >> 16)};
}

// Rows that are the scale, largest/127, times numbers of Int8.
void pack_forward(const PackForward<float, Int8>& q) noexcept {
  const PanelMap& map = q.map;
  constexpr int G = kTogether<Int8>;
  const Index whole = round_up(q.columns, G);
  for (Index panel = q.panel_begin; panel < q.panel_end; ++panel) {
    const Index row = panel_row<float>(map, panel);
    Int8* out = q.out + panel * packed_columns<Int8>(q.columns) * map.panel_size();
    __builtin_memset(out, 0, static_cast<std::size_t>(packed_columns<Int8>(q.columns) * row));
    for (int slot = 0; slot < map.slots; ++slot)
      for (Index u = 0; u < map.units_in(panel); ++u) {
        const float* weight = q.weight + (map.gate[slot] * map.units + panel * map.block + u) * q.columns;
        Int8* to = out + (slot * map.block + u) * G;
        float largest = 0;
        for (Index k = 0; k < q.columns; ++k) {
          const float size = __builtin_fabsf(weight[k]);
          largest = size > largest ? size : largest;
        }
        const float scale = scale_of(largest), factor = per_scale(largest);
        std::int32_t sum = 0;
        for (Index k = 0; k < q.columns; ++k) {
          const auto number = static_cast<std::int8_t>(__builtin_rintf(weight[k] * factor));
          to[(k - k % G) * row + k % G] = {number};
          sum += number;
        }
        __builtin_memcpy(to + whole * row, &scale, sizeof scale);
        __builtin_memcpy(to + (whole + G) * row, &sum, sizeof sum);
      }
  }
}

template <class T, class W>
void pack_forward(const PackForward<T, W>& q) noexcept {
  const PanelMap& map = q.map;
  constexpr int G = kTogether<W>;
  for (Index panel = q.panel_begin; panel < q.panel_end; ++panel) {
    const Index row = panel_row<T>(map, panel);
    W* out = q.out + panel * packed_columns<W>(q.columns) * map.panel_size();
    for (int slot = 0; slot < map.slots; ++slot) {
      const T* weight = q.weight + (map.gate[slot] * map.units + panel * map.block) * q.columns;
      [[maybe_unused]] Vec<T> first{};
      for_each_transposed(weight, q.columns, map.units_in(panel), q.columns,
                          [&](Index k, Index u, Vec<T> v) __attribute__((always_inline)) {
                            const Index column = slot * map.block + u;
                            if constexpr (!kPairs<T, W>)
                              narrow(v, out + (k - k % G) * row + column * G + k % G);
                            else if (k % 2)
                              store(out + k / 2 * row + column, paired<T>(first, v));
                            else if (first = v; k + 1 == q.columns)
                              store(out + k / 2 * row + column, paired<T>(v, Vec<T>{}));
                          });
    }
  }
}

template <class T, class W>
void pack_backward(const PackBackward<T, W>& q) noexcept {
  constexpr Index L = kLanes<T>, kUnits = kPairs<T, W> ? 2 : 1;
  const PanelMap& map = q.map;
  const Index rows = map.panels() * map.panel_size();
  for (Index panel = q.column_panel_begin; panel < q.column_panel_end; ++panel) {
    const Index first = panel * 4 * L, columns = smaller(4 * L, q.columns - first);
    const Index width = round_up(columns, L);
    W* out = q.out + first * rows;
    for (Index p = 0; p < map.panels(); ++p)
      for (int slot = 0; slot < map.slots; ++slot)
        for (Index u = 0; u < map.block; u += kUnits, out += width) {
          const auto weights = [&](Index of, Index j) __attribute__((always_inline)) {
            const Index unit = p * map.block + of, left = columns - j;
            if (unit >= map.units) return Vec<T>{};
            const T* from = q.weight + (map.gate[slot] * map.units + unit) * q.columns + first + j;
            if (j % kLine<T> == 0) prefetch(from + kRowsAhead * q.columns);
            return left >= L ? load(from) : load_first(from, static_cast<int>(left));
          };
          for (Index j = 0; j < width; j += L) store(out + j, paired<T>(weights(u, j), weights(u + kUnits - 1, j)));
        }
  }
}

template <class T>
void pack_bias(const PackBias<T>& q) noexcept {
  const PanelMap& map = q.map;
  for (Index panel = 0; panel < map.panels(); ++panel)
    for (int slot = 0; slot < map.slots; ++slot)
      for (Index u = 0; u < map.block; ++u) {
        const Index unit = panel * map.block + u;
        const Index row = map.gate[slot] * map.units + unit;
        T sum = T(0);
        if (unit < map.units && q.first) sum = q.first[row];
        if (unit < map.units && q.second) sum = sum + q.second[row];
        q.out[panel * q.stride + slot * map.block + u] = sum;
      }
}

template <class T>
void add_gradient(const AddGradient<T>& q) noexcept {
  const PanelMap& map = q.map;
  for (Index panel = q.panel_begin; panel < q.panel_end; ++panel) {
    const Index units = map.units_in(panel);
    for (int slot = 0; slot < map.slots; ++slot) {
      const T* from = q.d_weight + panel * (q.columns + 1) * map.panel_size() + slot * map.block;
      const Index row = map.gate[slot] * map.units + panel * map.block;
      T* grad = q.grad + row * q.columns;
      for_each_transposed(from, map.panel_size(), q.columns, units,
                          [&](Index u, Index k, Vec<T> v) __attribute__((always_inline)) {
                            T* to = grad + u * q.columns + k;
                            const Index left = q.columns - k;
                            if (left >= kLanes<T>)
                              store(to, load(to) + v);
                            else
                              store_first(to, load_first(to, static_cast<int>(left)) + v, static_cast<int>(left));
                          });
      if (q.bias)
        for (Index u = 0; u < units; ++u) q.bias[row + u] += from[q.columns * map.panel_size() + u];
    }
  }
}

}  // namespace
}  // namespace pyrnn::kernels
