// SPDX-License-Identifier: Apache-2.0
// The cells of the library by name. Their rows are equal for every instruction set; only the kernels differ.
#pragma once

#include <string>
#include <string_view>

#include "kernels/kernels.h"

namespace pyrnn {

using kernels::Candidate;
using kernels::Cell;

const Cell* find_cell(std::string_view name);  // null: there is none
std::string cell_names();                      // "a, b or c"

// The row of a cell in the table of an instruction set.
template <class T, class W>
const kernels::CellKernels<T, W>& cell_kernels(const kernels::Kernels<T, W>& k, const Cell& cell) {
  const kernels::CellKernels<T, W>* row = k.cells;
  while (std::string_view(row->cell.name) != cell.name) ++row;
  return *row;
}

}  // namespace pyrnn
