// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/saved.h"

#include "core/recurrent/state_options.h"

namespace pyrnn {

template <class T>
Saved<T>::Saved(const Tape<T>& t, const Scope& s, const LayerBuffers<T>* kept)
    : tape(t),
      scope(s),
      rows(s.steps.rows(t.batch)),
      directions(static_cast<std::size_t>(t.shape.layers * t.shape.directions)) {
  const StackShape& shape = tape.shape;
  const Batch& batch = tape.batch;
  const Index lanes = kernels::of_type<T>(tape.weights->table()).lanes;
  const CellMaps maps = maps_of(shape, lanes);
  const auto each_direction = [&](auto&& visit) {
    for (Index layer = scope.layers.begin; layer < scope.layers.end; ++layer)
      for (Index direction = scope.directions.begin; direction < scope.directions.end; ++direction)
        visit(layer, direction, static_cast<std::size_t>(layer * shape.directions + direction));
  };
  std::vector<T*> copies(directions.size());
  each_direction([&](Index layer, Index direction, std::size_t i) {
    want_buffers<T>(arena, shape, maps, lanes, {rows, batch.rows(), changed_states(shape.options, true)},
                    directions[i]);
    const bool joined = layer == 0 && shape.context > 0;  // with the contexts
    if (joined || (!batch.uniform() && (shape.reversed(direction) || layer == 0)))
      arena.want(copies[i], rows, shape.layer_input(layer));
  });
  if (kept) {
    layers = *kept;
  } else {
    layers.input.resize(static_cast<std::size_t>(shape.layers));
    layers.first_row = batch.offset(scope.steps.begin);
    for (Index layer = 1; layer < shape.layers; ++layer)
      arena.want(layers.input[static_cast<std::size_t>(layer)], rows, shape.layer_input(layer));
  }
  arena.allocate();
  each_direction([&](Index, Index direction, std::size_t i) {
    const Walk walk(batch, shape.reversed(direction), scope.steps);
    shift_past_initial_state<T>(directions[i], shape, lanes, walk.initial_row());
    directions[i].x = copies[i];
  });
}

template <class T>
const T* Saved<T>::output_at(Index layer, Index direction, Index time, Index row) const {
  const std::size_t i = static_cast<std::size_t>(layer * tape.shape.directions + direction);
  if (!layers.h.empty())
    return Rows<const T>::packed(layers.h[i], tape.batch, tape.shape.output(), layers.first_row).at(time, row);
  const Walk walk(tape.batch, tape.shape.reversed(direction), scope.steps);
  const RowWidths<T> width(tape.shape, kernels::of_type<T>(tape.weights->table()).lanes);
  return directions[i].h + (walk.row(walk.time(time, row)) + row) * width.output;
}

template struct Saved<float>;
template struct Saved<double>;

}  // namespace pyrnn
