// SPDX-License-Identifier: Apache-2.0
// The division of weight matrices into panels.
#pragma once

#include "core/dims.h"

namespace pyrnn::kernels {

// Which weight rows a panel holds: slot s of panel p is gate[s], units p*block ... p*block + block - 1.
struct PanelMap {
  Index units;      // H; rows gate*units + unit of the weight matrix
  Index block;      // units of one panel: lanes, or 4*lanes where slots == 1 and gates are not interleaved
  int slots;        // gates of one panel
  int gate[4];      // torch's gate of each slot
  PYRNN_ALWAYS_INLINE Index panels() const { return ceil_div(units, block); }
  PYRNN_ALWAYS_INLINE Index units_in(Index panel) const { return smaller(block, units - panel * block); }
  PYRNN_ALWAYS_INLINE Index panel_size() const { return slots * block; }  // columns of a full panel
  PYRNN_ALWAYS_INLINE Index elements(Index columns) const { return panels() * panel_size() * columns; }  // packed
  // Vectors of a panel that hold units: a lone gate's last panel may need fewer.
  PYRNN_ALWAYS_INLINE int width(Index panel, Index lanes) const {
    return static_cast<int>(ceil_div(slots == 1 ? units_in(panel) : panel_size(), lanes));
  }
};

}  // namespace pyrnn::kernels
