// SPDX-License-Identifier: Apache-2.0
#include "core/stream.h"

#include <algorithm>

#include "core/buffers.h"
#include "core/cell_steps.h"
#include "core/fpenv.h"
#include "core/rows.h"

namespace pyrnn {

template <class T>
Stream<T>::Stream(const StackShape& shape, std::shared_ptr<const PackedWeights<T>> weights, Index rows)
    : shape_(shape),
      weights_(std::move(weights)),
      k_(kernels::of_type<T>(weights_->table())),
      maps_(maps_of(shape, k_.lanes)),
      rows_(rows),
      state_row_(RowWidths<T>(shape, k_.lanes).state),
      output_row_(RowWidths<T>(shape, k_.lanes).output),
      panel_(gates_panel_stride(rows, k_.lanes)),
      layers_(static_cast<std::size_t>(shape.layers)) {
  for (Layer& layer : layers_) {
    layer = {};
    arena_.want(layer.gates, maps_.x.panels(), panel_);
    for (T*& h : layer.h) arena_.want(h, rows, output_row_);
    if (shape.is_lstm()) arena_.want(layer.c, rows, state_row_);
    if (shape.proj) arena_.want(layer.m, rows, state_row_);
    if (maps_.reset_before) arena_.want(layer.rh, rows, state_row_);
  }
  arena_.allocate();
  store_state(nullptr, nullptr);
}

template <class T>
void Stream<T>::step(const T* x, T* y) {
  const ScopedFloatControl flush(kFlushDenormals);
  current_ = 1 - current_;
  Index x_row = shape_.input;
  for (Index layer = 0; layer < shape_.layers; ++layer) {
    step_layer(layer, x, x_row);
    x = layers_[static_cast<std::size_t>(layer)].h[current_];
    x_row = output_row_;
  }
  for (Index row = 0; row < rows_; ++row) std::copy_n(x + row * x_row, shape_.output(), y + row * shape_.output());
}

template <class T>
void Stream<T>::step_layer(Index index, const T* x, Index x_row) {
  Layer& layer = layers_[static_cast<std::size_t>(index)];
  const auto& packed = weights_->of(index, 0);
  const Index I = shape_.layer_input(index);
  for (Index panel = 0; panel < maps_.x.panels(); ++panel) {
    input_product<T>(
        k_, maps_.x, packed, panel,
        {.rows = rows_, .x = x, .x_row = x_row, .columns = I, .gates = layer.gates, .gates_panel = panel_});
  }
  const kernels::StepForward<T> s{.rows = rows_,
                                  .panel_begin = 0,
                                  .panel_end = maps_.x.panels(),
                                  .map = maps_.h,
                                  .h_prev = layer.h[1 - current_],
                                  .h_prev_row = output_row_,
                                  .h_prev_columns = shape_.output(),
                                  .w_hh = packed.w_hh,
                                  .w_hn = packed.w_hn,
                                  .b_hn = packed.b_hn,
                                  .gates = layer.gates,
                                  .gates_panel = panel_,
                                  .c_prev = layer.c,
                                  .c = layer.c,
                                  .h = shape_.proj ? layer.m : layer.h[current_],
                                  .rh = layer.rh,
                                  .state_row = state_row_};
  const ProjectionStep<T> projection{
      .w_hr = packed.w_hr, .h = layer.h[current_], .h_row = output_row_, .panels = {0, maps_.proj.panels()}};
  cell_forward(k_, shape_, maps_, s, projection, [] {});
}

template <class T>
void Stream<T>::load_state(T* h, T* c) const {
  const Index P = shape_.output(), H = shape_.hidden;
  for (const Layer& layer : layers_)
    for (Index row = 0; row < rows_; ++row) {
      h = std::copy_n(layer.h[current_] + row * output_row_, P, h);
      if (shape_.is_lstm()) c = std::copy_n(layer.c + row * state_row_, H, c);
    }
}

template <class T>
void Stream<T>::store_state(const T* h, const T* c) {
  const auto store = [](const T*& from, Index columns, T* to, Index to_columns) {
    copy_padded(from, columns, to, to_columns);
    if (from) from += columns;
  };
  for (Layer& layer : layers_)
    for (Index row = 0; row < rows_; ++row) {
      store(h, shape_.output(), layer.h[current_] + row * output_row_, output_row_);
      if (shape_.is_lstm()) store(c, shape_.hidden, layer.c + row * state_row_, state_row_);
    }
}

template class Stream<float>;
template class Stream<double>;

}  // namespace pyrnn
