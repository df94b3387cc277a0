// SPDX-License-Identifier: Apache-2.0
// The interface of the kernels: the table of one instruction set, and the argument structs of its functions.
//
// Kernels are noexcept, allocate nothing and start no threads. One pass of the matrix product makes one panel:
// up to four vectors of columns. For LSTM and GRU a panel holds all gates of `lanes` units, slot by slot; for the RNN
// and for linear layers it holds 4*lanes units of the only gate. The gate buffer of a layer is
//
//   gates  [panel][row][4 slots x lanes]      (row = one sample at one time step)
//
// and holds in turn the input part x*W_ih + b, the gates, and the gradients of the gates before their activation.
// Products of bfloat16 round its numbers where they read them (pairs.h).
#pragma once

#include <type_traits>

#include "kernels/cell_kernels.h"
#include "kernels/elementwise_kernels.h"
#include "kernels/packed_types.h"
#include "kernels/structured_kernels.h"

namespace pyrnn::kernels {

// Rows for products that do not read T itself. As Left (packed_types.h) has them: scale = max |x|/127, each
// number the nearest of x/scale, of two the even one; a row with a number that is not finite has the scale NaN, one
// whose numbers are all below 2^-119 is zero. Or as pairs (pairs.h).
template <class T>
struct NarrowRows {
  Index rows, columns;
  const T* from;  // [rows][columns], stride from_row
  Index from_row;
  Int8* to;  // [rows], stride to_row, whole places of T
  Index to_row;
};

// Bytes of the caches that a core has for itself. Thresholds are formulas of them, and no bit depends on them.
struct CacheSizes {
  Index first, second;
};
constexpr CacheSizes kCommonCaches = {32 << 10, 1 << 20};

// Packed weights that fill half of the second-level cache are fetched ahead, panel by panel: the rows that they are
// multiplied with need the other half. Smaller ones are still there when their turn comes again, and would only pay for
// it (about 3 %).
template <class W>
PYRNN_ALWAYS_INLINE bool outgrow_cache(Index elements, const CacheSizes& caches) {
  return elements * static_cast<Index>(sizeof(W)) >= caches.second / 2;
}

enum class Start { zero, bias, add };  // the sum starts at 0, at a row of biases, or at what C holds

// C[r][j] = start + sum over k of A[r][k] * B[k][j], k ascending, one chain of fused multiply-adds per element.
template <class T, class W = T>
struct Product {
  Index rows;
  int width;  // vectors of columns j: 1..4
  const Left<T, W>* a;  // A[r][k] at a + r*a_row + segment*a_segment + i, k = segment*length + i
  Index a_row;
  bool a_paired = false;  // A is made of pairs already (NarrowRows)
  const W* b;  // B[k][j] at b + segment*b_segment + i*b_step + j, in groups of kTogether k
  Index b_step;
  Index segments = 1;
  Index length;
  Index a_segment = 0;
  Index b_segment = 0;
  Start start;
  const T* bias = nullptr;  // [width*lanes]
  T* c;  // [rows][width*lanes], stride c_row
  Index c_row;
  int last_lanes = 0;  // columns of the last vector that C has; 0: all
  Index panels = 1;  // of one row: as many B and C, b_panel and c_panel apart (for_each_group)
  Index b_panel = 0, c_panel = 0;
  const W* ahead = nullptr;  // the B that the next product reads: fetched into the second-level cache meanwhile
};

// Of one row, a panel alone has too few chains of multiply-adds under way to keep a core busy, and reads memory at one
// place only: some are multiplied side by side.
constexpr Index kSideBySide = 4;

// Calls f(first, count) for panels [begin, end) in groups of one width that are multiplied together; `descending`: the
// last ones first.
template <class F>
PYRNN_ALWAYS_INLINE void for_each_group(const PanelMap& map, Index rows, Index begin, Index end, bool descending,
                                        F&& f) {
  const Index most = rows == 1 ? kSideBySide : 1;
  const auto narrow = [&](Index panel) { return map.slots == 1 && map.units_in(panel) < map.block; };  // the last one
  while (begin < end) {
    Index count = smaller(most, end - begin);
    if (count > 1 && narrow(descending ? end - 1 : begin + count - 1)) count = descending ? 1 : count - 1;
    f(descending ? end - count : begin, count);
    (descending ? end : begin) += descending ? -count : count;
  }
}

// Weights (gates*units, K) to panels for x*W^T: out [panel][K][slots*block], K in groups (kTogether), the last panel of
// slots == 1 only as wide as whole vectors need; missing units are zero.
template <class T, class W = T>
struct PackForward {
  PanelMap map;
  const T* weight;  // [gates*units][K]
  Index columns;  // K
  Index panel_begin, panel_end;
  W* out;
};

// Weights to panels for dG*W: out [column panel of 4*lanes][panel][slot][unit in block][4*lanes or fewer vectors].
template <class T, class W = T>
struct PackBackward {
  PanelMap map;
  const T* weight;  // [gates*units][K]
  Index columns;  // K
  Index column_panel_begin, column_panel_end;
  W* out;
};

// One bias per gate and unit, or the sum of two, in the order of the forward panels; missing units are zero.
template <class T>
struct PackBias {
  PanelMap map;
  const T* first;  // [gates*units], or null
  const T* second;  // [gates*units], or null
  T* out;  // [panel][stride]
  Index stride;
};

// C[r][k] = start + sum over panels, slots, units of dG[r][...] * W[...][k]: what the chain rule sends back through W.
template <class T, class W = T>
struct BackProduct {
  PanelMap map;
  Index rows;
  const T* d_gates;  // first slot of `map` in panel 0, row 0; rows 4*lanes apart
  Index gates_panel;  // from panel to panel
  const W* weight;  // packed by PackBackward
  Index columns;  // K
  Index column_panel_begin, column_panel_end;
  Start start;  // zero or add
  T* c;  // [rows][K], stride c_row
  Index c_row;
  bool c_padded;  // C's rows are padded to whole vectors
  bool descending = false;  // the last column panel first
};

// dW^T[panel][k][slots*block] += sum over rows of A[row][k] * dG[row][...], k = columns being a column of ones (the
// bias).
template <class T>
struct WeightGradient {
  struct Block {  // rows of A, evenly spaced
    const T* a;
    Index rows;
  };
  PanelMap map;
  const Block* blocks;
  Index block_count;
  Index rows;  // of all blocks
  Index a_row;
  Index columns;  // K
  Index column_begin, column_end;  // of 0 ... columns (inclusive of the ones), weight_gradient_columns(rows) at most
  const T* d_gates;  // first slot, first row; the rows form `segments` runs of segment_rows
  Index gates_panel;
  Index segments;
  Index segment_rows;
  Index segment_stride;  // elements from run to run; negative where time runs backwards
  T* out;  // [panel][columns + 1][slots*block]
  T* scratch;  // weight_gradient_scratch(rows) elements
};

// grad[gate*units + unit][k] += sum over rows of dG[row][...] * A[row][k], straight into the caller's arrays, and db
// likewise, with the bits of WeightGradient and AddGradient. For a few rows (kBlockLength at most): a separate sum, as
// large as the weights, would cost more than the products.
template <class T>
struct FewRowsGradient {
  PanelMap map;
  Index rows;
  const T* a;  // [column panel of 4*lanes][row][4*lanes or fewer vectors], what is missing zero
  Index columns;  // K
  const T* d_gates;  // first slot, first row; the rows form `segments` runs, as WeightGradient has them
  Index gates_panel;
  Index segments;
  Index segment_stride;
  Index panel_begin, panel_end;
  T* grad;  // [gates*units][columns]
  T* bias;  // [gates*units], or null
};

// grad[gate*units + unit][k] += dW^T[...]: the transpose back; the column of ones goes to the bias.
template <class T>
struct AddGradient {
  PanelMap map;
  const T* d_weight;  // [panel][columns + 1][slots*block]
  Index columns;
  Index panel_begin, panel_end;
  T* grad;  // [gates*units][columns]
  T* bias;  // [gates*units], or null
};

// d_diagonal[panel][slot][unit] += sum over the rows of some steps of a[row][...] * d[row][...]: the gradient of
// weights that act unit by unit. A row of d is a row of gates, or of a state (units side by side).
template <class T>
struct DiagonalGradient {
  struct Step {  // its rows are contiguous
    const T* d;  // panel 0, first slot
    const T* a;  // the same of what the weights multiply
    Index rows;
  };
  const Step* steps;
  Index step_count;
  Index panel_begin, panel_end;
  int slots;
  Index d_row, d_panel;
  Index a_row, a_panel, a_slot;  // a_slot 0: all slots see the same
  T* out;  // [panel][out_slots*lanes], at the first slot
  Index out_panel;
  T* d_bias;  // the sum of d[row] itself, laid out as `out`; or null
};

// The measure of a machine: independent chains of multiply-adds on full vectors.
template <class T>
struct Peak {
  double flops_of_round;
  T (*multiply_add)(Index rounds) noexcept;
};

// The functions of one element type and one type of packed weights, which the way back reads as T. lanes: elements of
// a vector.
template <class T, class W = T>
struct Kernels {
  Index lanes;
  void (*product)(const Product<T, W>&) noexcept;  // of one segment
  void (*back_product)(const BackProduct<T>&) noexcept;
  void (*weight_gradient)(const WeightGradient<T>&) noexcept;
  Index (*weight_gradient_columns)(Index rows) noexcept;  // taken at a time
  Index (*weight_gradient_scratch)(Index rows) noexcept;
  void (*few_rows_gradient)(const FewRowsGradient<T>&) noexcept;  // null: where products do not read T
  void (*narrow_rows)(const NarrowRows<T>&) noexcept;  // null: products read T
  void (*pack_forward)(const PackForward<T, W>&) noexcept;
  void (*pack_backward)(const PackBackward<T>&) noexcept;
  void (*pack_bias)(const PackBias<T>&) noexcept;
  void (*add_gradient)(const AddGradient<T>&) noexcept;
  void (*diagonal_gradient)(const DiagonalGradient<T>&) noexcept;
  void (*gate_norm)(const GateNorm<T>&) noexcept;
  const CellKernels<T, W>* cells;
  int cell_count;
  ElementwiseKernels<T> elementwise;
  StructuredKernels<T> structured;
  Peak<T> peak;
};

// Bytes of a row for products that do not read T.
template <class T, class W>
Index left_bytes(const Kernels<T, W>& k, Index columns) {
  if (kLeftIsNarrow<W>) return left_columns<W>(columns);
  return k.narrow_rows ? paired_bytes(columns, k.lanes) : 0;
}

// Rows that narrow_rows has made.
template <class T, class W>
LeftRows<T, W> narrow_left(const Int8* rows, Index row) {
  if constexpr (kLeftIsNarrow<W>)
    return {rows, row};
  else
    return {reinterpret_cast<const T*>(rows), row / static_cast<Index>(sizeof(T)), true};
}

// Rows as a product with W reads them: in place, or in the room that is given.
template <class T, class W>
LeftRows<T, W> left_rows(const Kernels<T, W>& k, const NarrowRows<T>& of) {
  if (k.narrow_rows) {
    k.narrow_rows(of);
    return narrow_left<T, W>(of.to, of.to_row);
  }
  if constexpr (!kLeftIsNarrow<W>) return {of.from, of.from_row};
  return {};
}

// What the products of float32 make of their operands. float64 and narrow weights have one kind.
enum class Precision { float32, bf16 };

struct KernelTable {
  const char* name;
  Precision precision;
  CacheSizes* caches;
  bool* has_vnni;  // what the table's functions go by
  // Of `bytes` bytes, carried on from `seed`. Other bytes have another one but by a chance of about 2^-64; it does not
  // withstand somebody who looks for such bytes.
  std::uint64_t (*fingerprint)(const void* data, Index bytes, std::uint64_t seed) noexcept;
  Kernels<float> f32;
  Kernels<double> f64;
  Kernels<float, Bf16> bf16;
  Kernels<float, Int8> int8;
};

template <class T, class W = T>
const Kernels<T, W>& of_type(const KernelTable& table) {
  if constexpr (std::is_same_v<W, Bf16>)
    return table.bf16;
  else if constexpr (std::is_same_v<W, Int8>)
    return table.int8;
  else if constexpr (sizeof(T) == 4)
    return table.f32;
  else
    return table.f64;
}

}  // namespace pyrnn::kernels
