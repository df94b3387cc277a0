// SPDX-License-Identifier: Apache-2.0
// The products of float32 with operands in bfloat16 (kernels/pairs.h), compiled once per instruction set that has them,
// with its flags and PYRNN_ISA. One function is the only exported symbol.
#include "kernels/caches.h"
#include "kernels/cells.h"
#include "kernels/pack.h"
#include "kernels/weight_gradient.h"

#define PYRNN_JOIN_(a, b) a##b
#define PYRNN_JOIN(a, b) PYRNN_JOIN_(a, b)

namespace pyrnn::kernels {

namespace {

static_assert(kPairs<float>);

void put_products(Kernels<float>& k) noexcept {
  k.product = [](const Product<float>& p) noexcept { multiply(p); };
  k.back_product = back_product<float, float>;
  k.weight_gradient = weight_gradient<float>;
  k.weight_gradient_columns = weight_gradient_columns<float>;
  k.weight_gradient_scratch = weight_gradient_scratch<float>;
  k.few_rows_gradient = nullptr;
  k.narrow_rows = pair_rows<float>;
  k.pack_forward = [](const PackForward<float>& q) noexcept { pack_forward(q); };
  k.pack_backward = pack_backward<float, float>;
  k.cells = kCells<float, float>;
}

}  // namespace

// Puts them into a table of the same instruction set.
extern "C" void PYRNN_JOIN(pyrnn_products_bf16_, PYRNN_ISA)(KernelTable& table) noexcept {
  table.caches = &caches;
  put_products(table.f32);
}

}  // namespace pyrnn::kernels
