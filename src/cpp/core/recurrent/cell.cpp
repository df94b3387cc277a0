// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/cell.h"

#include <span>

#include "core/runtime/isa.h"

namespace pyrnn {
namespace {

std::span<const kernels::CellKernels<float>> all_cells() {
  const kernels::Kernels<float>& k = baseline_kernels().f32;
  return {k.cells, static_cast<std::size_t>(k.cell_count)};
}

}  // namespace

const Cell* find_cell(std::string_view name) {
  for (const auto& row : all_cells())
    if (name == row.cell.name) return &row.cell;
  return nullptr;
}

std::string cell_names() {
  std::string names;
  const auto cells = all_cells();
  for (const auto& row : cells) {
    if (!names.empty()) names += &row == &cells.back() ? " or " : ", ";
    names += row.cell.name;
  }
  return names;
}

}  // namespace pyrnn
