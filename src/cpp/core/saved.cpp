// SPDX-License-Identifier: Apache-2.0
#include "core/buffers.h"

namespace pyrnn {

template <class T>
Saved<T>::Saved(const StackShape& s, const kernels::KernelTable& t, Batch b)
    : shape(s),
      table(&t),
      batch(std::move(b)),
      directions(static_cast<std::size_t>(s.layers * s.directions)),
      layer_inputs(static_cast<std::size_t>(s.layers)) {
  const Index lanes = kernels::of_type<T>(t).lanes;
  for (std::size_t i = 0; i < directions.size(); ++i)
    want_buffers<T>(arena, shape, maps_of(shape, lanes), lanes, batch.packed_rows(), batch.rows(), directions[i]);
  std::vector<T*> copies(directions.size());
  for (std::size_t i = 0; i < directions.size(); ++i) {
    const Index layer = static_cast<Index>(i) / shape.directions;
    const bool reverse = static_cast<Index>(i) % shape.directions == 1;
    if (!batch.uniform() && (reverse || layer == 0))
      arena.want(copies[i], batch.packed_rows(), shape.layer_input(layer));
  }
  for (std::size_t layer = 1; layer < layer_inputs.size(); ++layer)
    arena.want(layer_inputs[layer], batch.packed_rows(), shape.layer_input(1));
  arena.allocate();
  for (std::size_t i = 0; i < directions.size(); ++i) {
    shift_past_initial_state<T>(directions[i], shape, lanes,
                                Walk(batch, static_cast<Index>(i) % shape.directions == 1).initial_row());
    directions[i].x = copies[i];
  }
}

template struct Saved<float>;
template struct Saved<double>;

}  // namespace pyrnn
