// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/dropped.h"

#include "core/operations/elementwise.h"

namespace pyrnn {

template <class T>
void drop_rows(const kernels::Kernels<T>& k, Range rows, Segment times, const Batch& batch, const StackShape& shape,
               DropoutKey key, Index layer, const Rows<T>& output) {
  kernels::DropoutRow<T> call =
      dropout_row_of<T>({shape.dropout, key.seed, key.draw, static_cast<std::uint64_t>(layer)});
  call.units = shape.layer_output();
  for (Index j = rows.begin; j < rows.end; ++j)
    for (Index t = times.begin; t < smaller(times.end, batch.length(j)); ++t) {
      call.row = static_cast<std::uint32_t>(batch.original(j));
      call.time = static_cast<std::uint32_t>(t);
      call.x = call.y = output.at(t, j);
      k.elementwise.dropout_row(call);
    }
}

template void drop_rows(const kernels::Kernels<float>&, Range, Segment, const Batch&, const StackShape&, DropoutKey,
                        Index, const Rows<float>&);
template void drop_rows(const kernels::Kernels<double>&, Range, Segment, const Batch&, const StackShape&, DropoutKey,
                        Index, const Rows<double>&);

}  // namespace pyrnn
