// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/dropped.h"

#include "core/operations/dropout.h"

namespace pyrnn {

template <class T>
void drop_rows(const kernels::Kernels<T>& k, Range rows, Segment times, const Batch& batch, const DroppedLayer& of,
               const Rows<T>& output) {
  const auto layer = static_cast<std::uint64_t>(of.layer);
  kernels::DropoutRow<T> call =
      dropout_row_of<T>({of.shape.dropout, of.key.seed, of.key.draw, layer, of.key.first_row});
  call.units = of.shape.layer_output();
  for (Index j = rows.begin; j < rows.end; ++j)
    for (Index t = times.begin; t < smaller(times.end, batch.length(j)); ++t) {
      call.row = of.key.first_row + static_cast<std::uint32_t>(batch.caller_row(j));
      call.time = static_cast<std::uint32_t>(batch.start(j) + t);
      call.x = call.y = output.at(t, j);
      k.elementwise.dropout_row(call);
    }
}

template void drop_rows(const kernels::Kernels<float>&, Range, Segment, const Batch&, const DroppedLayer&,
                        const Rows<float>&);
template void drop_rows(const kernels::Kernels<double>&, Range, Segment, const Batch&, const DroppedLayer&,
                        const Rows<double>&);

}  // namespace pyrnn
