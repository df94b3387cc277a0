// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/saved.h"

#include "core/recurrent/state_options.h"

namespace pyrnn {

namespace {

// Calls visit(layer, direction, its number in the stack).
template <class Visit>
void for_each_direction(const StackShape& shape, const Scope& scope, Visit&& visit) {
  for (Index layer = scope.layers.begin; layer < scope.layers.end; ++layer)
    for (Index direction = scope.directions.begin; direction < scope.directions.end; ++direction)
      visit(layer, direction, static_cast<std::size_t>(layer * shape.directions + direction));
}

// Asks for the buffers of all layers and directions of a scope.
template <class T>
void want_directions(Arena& arena, const StackShape& shape, Index lanes, const Scope& scope, const SavedSizes& sizes,
                     std::vector<StepBuffers<T>>& directions) {
  const CellMaps maps = maps_of(shape, lanes);
  for_each_direction(shape, scope, [&](Index layer, Index direction, std::size_t i) {
    want_buffers<T>(arena, shape, maps, lanes,
                    {sizes.rows, sizes.batch_rows, changed_states(shape.options, sizes.drops)}, directions[i]);
    const bool joined = layer == 0 && shape.context > 0;  // with the contexts
    const bool scattered = layer == 0 && !sizes.packed_arrays;
    if (joined || (!sizes.uniform && (shape.reversed(direction) || scattered)))
      arena.want(directions[i].x, sizes.rows, shape.layer_input(layer));
  });
}

// And for what goes from layer to layer.
template <class T>
void want_layers(Arena& arena, const StackShape& shape, Index rows, LayerBuffers<T>& layers) {
  layers.input.resize(static_cast<std::size_t>(shape.layers));
  for (Index layer = 1; layer < shape.layers; ++layer)
    arena.want(layers.input[static_cast<std::size_t>(layer)], rows, shape.layer_input(layer));
}

}  // namespace

template <class T>
std::size_t Saved<T>::bytes(const StackShape& shape, const kernels::KernelTable& table, const SavedSizes& sizes) {
  const Scope all{{0, shape.layers}, {0, shape.directions}, {}};
  std::vector<StepBuffers<T>> directions(static_cast<std::size_t>(shape.layers * shape.directions));
  LayerBuffers<T> layers;
  Arena arena;
  want_directions(arena, shape, kernels::of_type<T>(table).lanes, all, sizes, directions);
  want_layers(arena, shape, sizes.rows, layers);
  return arena.bytes();
}

template <class T>
Saved<T>::Saved(const Tape<T>& t, const Scope& s, const LayerBuffers<T>* kept)
    : tape(t),
      scope(s),
      rows(s.steps.rows(t.batch)),
      directions(static_cast<std::size_t>(t.shape.layers * t.shape.directions)) {
  const StackShape& shape = tape.shape;
  const Batch& batch = tape.batch;
  const Index lanes = kernels::of_type<T>(tape.weights->table()).lanes;
  want_directions(arena, shape, lanes, scope,
                  {rows, batch.rows(), batch.uniform(), batch.packed_arrays(), tape.key.has_value()}, directions);
  if (kept) {
    layers = *kept;
  } else {
    layers.first_row = batch.offset(scope.steps.begin);
    want_layers(arena, shape, rows, layers);
  }
  arena.allocate(tape.memory);
  for_each_direction(shape, scope, [&](Index, Index direction, std::size_t i) {
    const Walk walk(batch, shape.reversed(direction), scope.steps);
    shift_past_initial_state<T>(directions[i], shape, lanes, walk.initial_row());
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
