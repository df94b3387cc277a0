// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/stream.h"

#include <algorithm>

#include "core/recurrent/buffers.h"
#include "core/recurrent/cell_steps.h"
#include "core/recurrent/rows.h"
#include "core/recurrent/split.h"
#include "core/recurrent/state_masks.h"

namespace pyrnn {

template <class T>
Stream<T>::Stream(const StackShape& shape, std::shared_ptr<const PackedWeights<T>> weights, Index rows, int threads)
    : shape_(shape),
      weights_(std::move(weights)),
      k_(kernels::of_type<T>(weights_->table())),
      maps_(maps_of(shape, k_.lanes)),
      rows_(rows),
      state_row_(RowWidths<T>(shape, k_.lanes).state),
      output_row_(RowWidths<T>(shape, k_.lanes).output),
      panel_(gates_panel_stride(rows, k_.lanes)),
      work_(work_of_rows(shape, static_cast<double>(rows))),
      threads_(shape.options.layer_norm ? 1 : threads_worth(work_, threads)),
      panels_together_(maps_.reset_before || shape.proj > 0 || shape.options.layer_norm),
      layers_(static_cast<std::size_t>(shape.layers)) {
  for (Layer& layer : layers_) {
    layer = {};
    arena_.want(layer.gates, maps_.x.panels(), panel_);
    for (T*& h : layer.h) arena_.want(h, rows, output_row_);
    if (shape.is_lstm()) arena_.want(layer.c, rows, state_row_);
    if (shape.proj) arena_.want(layer.m, rows, state_row_);
    if (maps_.reset_before) arena_.want(layer.rh, rows, state_row_);
    want_norm(arena_, shape, rows, maps_.x.panels() * panel_, state_row_, layer.norm);
    if (shape.options.zoneout_cell > 0) arena_.want(layer.c_new, rows, state_row_);
  }
  arena_.allocate();
  for (Layer& layer : layers_)
    if (!layer.c_new) layer.c_new = layer.c;
  store_state(nullptr, nullptr);
}

template <class T>
void Stream<T>::step(const T* x, T* y) {
  current_ = 1 - current_;
  parallel(threads_, [&](int rank, Team& team) noexcept {
    const T* input = x;
    Index row = shape_.input;
    for (Index layer = 0; layer < shape_.layers; ++layer) {
      step_layer(layer, input, row, rank, team);
      if (shape_.options.zoneout > 0 || shape_.options.zoneout_cell > 0) zone_out(layer, rank, team);
      input = layers_[static_cast<std::size_t>(layer)].h[current_];
      row = output_row_;
    }
    if (rank == 0)
      for (Index r = 0; r < rows_; ++r) std::copy_n(input + r * row, shape_.output(), y + r * shape_.output());
  });
}

// Panel by panel, the last first at every other step, so that the weights with which one step ends are still cached
// when the next begins. Where all of a step's products must be finished before something else begins, panels go
// together.
template <class T>
void Stream<T>::step_layer(Index index, const T* x, Index x_row, int rank, Team& team) {
  const Range mine = share_of(maps_.x.panels(), rank, team.size());
  if (panels_together_) return step_panels(index, x, x_row, mine, rank, team);
  for (Index i = 0; i < mine.size(); ++i) {
    const Index panel = current_ ? mine.end - 1 - i : mine.begin + i;
    step_panels(index, x, x_row, {panel, panel + 1}, rank, team);
  }
  team.barrier();
}

// The mean of zoneout's states, of all units of some rows.
template <class T>
void Stream<T>::zone_out(Index index, int rank, Team& team) {
  const Layer& layer = layers_[static_cast<std::size_t>(index)];
  const Range mine = share_of(rows_, rank, team.size());
  const auto zone = [&](double p, Index width, const T* fresh, const T* previous, T* state) {
    const T keep = static_cast<T>(1 - p);
    for (Index i = mine.begin * width; p > 0 && i < mine.end * width; ++i)
      state[i] = zoned(keep, fresh[i], previous[i]);
  };
  zone(shape_.options.zoneout, output_row_, layer.h[current_], layer.h[1 - current_], layer.h[current_]);
  zone(shape_.options.zoneout_cell, state_row_, layer.c_new, layer.c, layer.c);
  team.barrier();
}

template <class T>
void Stream<T>::step_panels(Index index, const T* x, Index x_row, Range panels, int rank, Team& team) {
  Layer& layer = layers_[static_cast<std::size_t>(index)];
  const auto& packed = weights_->of(index, 0);
  const Index I = shape_.layer_input(index);
  for (Index panel = panels.begin; panel < panels.end; ++panel)
    input_product<T>(
        k_, maps_.x, packed, panel,
        {.rows = rows_, .x = x, .x_row = x_row, .columns = I, .gates = layer.gates, .gates_panel = panel_});
  const NormRows<T> norm{maps_, packed, layer.norm, layer.gates, panel_, k_.lanes, 0, rows_};
  if (shape_.options.layer_norm) k_.gate_norm(norm.input());
  const kernels::StepForward<T> s{.rows = rows_,
                                  .panel_begin = panels.begin,
                                  .panel_end = panels.end,
                                  .descending = current_ == 1,
                                  .map = maps_.h,
                                  .h_prev = layer.h[1 - current_],
                                  .h_in = layer.h[1 - current_],
                                  .h_prev_row = output_row_,
                                  .h_prev_columns = shape_.output(),
                                  .w_hh = packed.w_hh,
                                  .w_hn = packed.w_hn,
                                  .b_hn = packed.b_hn,
                                  .gates = layer.gates,
                                  .gates_panel = panel_,
                                  .c_prev = layer.c,
                                  .c = layer.c_new,
                                  .h = shape_.proj ? layer.m : layer.h[current_],
                                  .rh = layer.rh,
                                  .state_row = state_row_,
                                  .lstm = PackedWeights<T>::lstm_options(shape_, packed),
                                  .norm = norm.recurrent(),
                                  .cell_norm = norm.cell(state_row_)};
  const ProjectionStep<T> projection{.w_hr = packed.w_hr,
                                     .h = layer.h[current_],
                                     .h_row = output_row_,
                                     .panels = share_of(maps_.proj.panels(), rank, team.size())};
  cell_forward(k_, shape_, maps_, s, projection, [&] {
    if (panels_together_) team.barrier();
  });
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
