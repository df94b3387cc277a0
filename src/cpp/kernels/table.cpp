// SPDX-License-Identifier: Apache-2.0
// The kernel table of one instruction set, compiled once per set with that set's flags and PYRNN_ISA. The table is the
// only exported symbol.
#include "kernels/caches.h"
#include "kernels/cells.h"
#include "kernels/diagonal.h"
#include "kernels/elementwise.h"
#include "kernels/few_rows_gradient.h"
#include "kernels/fingerprint.h"
#include "kernels/pack.h"
#include "kernels/peak.h"
#include "kernels/structured.h"
#include "kernels/weight_gradient.h"

#define PYRNN_TEXT_(name) #name
#define PYRNN_TEXT(name) PYRNN_TEXT_(name)
#define PYRNN_JOIN_(a, b) a##b
#define PYRNN_JOIN(a, b) PYRNN_JOIN_(a, b)

namespace pyrnn::kernels {
namespace {

template <class T, class W>
constexpr void (*narrowing() noexcept)(const NarrowRows<T>&) noexcept {
  if constexpr (kLeftIsNarrow<W>)
    return narrow_rows;
  else
    return nullptr;
}

template <class T, class W = T>
constexpr Kernels<T, W> kernels_of_type() {
  return {
      .lanes = kLanes<T>,
      .product = [](const Product<T, W>& p) noexcept { multiply(p); },
      .back_product = back_product<T, T>,
      .weight_gradient = weight_gradient<T>,
      .weight_gradient_columns = weight_gradient_columns<T>,
      .weight_gradient_scratch = weight_gradient_scratch<T>,
      .few_rows_gradient = few_rows_gradient<T>,
      .narrow_rows = narrowing<T, W>(),
      .pack_forward = [](const PackForward<T, W>& q) noexcept { pack_forward(q); },
      .pack_backward = pack_backward<T, T>,
      .pack_bias = pack_bias<T>,
      .add_gradient = add_gradient<T>,
      .diagonal_gradient = diagonal_gradient<T>,
      .gate_norm = gate_norm<T>,
      .cells = kCells<T, W>,
      .cell_count = static_cast<int>(sizeof kCells<T, W> / sizeof *kCells<T, W>),
      .elementwise = elementwise_kernels<T>(),
      .structured = structured_kernels<T>(),
      .peak = peak<T>(),
  };
}

constexpr KernelTable kTable = {
    .name = PYRNN_TEXT(PYRNN_ISA),
    .precision = Precision::float32,
    .caches = &caches,
    .has_vnni = &has_vnni,
    .fingerprint = fingerprint,
    .f32 = kernels_of_type<float>(),
    .f64 = kernels_of_type<double>(),
    .bf16 = kernels_of_type<float, Bf16>(),
    .int8 = kernels_of_type<float, Int8>(),
};

}  // namespace

extern "C" const KernelTable* PYRNN_JOIN(pyrnn_kernels_, PYRNN_ISA)() noexcept { return &kTable; }

}  // namespace pyrnn::kernels
