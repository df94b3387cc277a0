// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/stream.h"

#include <algorithm>

#include "core/recurrent/rows.h"
#include "core/recurrent/split.h"
#include "core/runtime/parallel.h"

namespace pyrnn {

template <class T, class W>
Stream<T, W>::Stream(const StackShape& shape, std::shared_ptr<const PackedWeights<T, W>> weights, Index rows,
                     int threads)
    : shape_(shape),
      weights_(std::move(weights)),
      k_(kernels::of_type<T>(weights_->table())),
      maps_(maps_of(shape, k_.lanes)),
      batch_(1, rows, nullptr),
      place_{0, 0, Walk(batch_, false, {0, 1})},
      width_(shape, k_.lanes),
      steps_(shape_, maps_, *weights_, rows),
      work_(work_of_rows(shape, static_cast<double>(rows), sizeof(T))),
      threads_(shape.options.layer_norm ? 1 : threads_worth(work_, threads)),
      state_options_(shape_, batch_, k_, nullptr),
      layers_(static_cast<std::size_t>(shape.layers)) {
  for (Layer& layer : layers_)
    want_buffers<T>(arena_, shape_, maps_, k_.lanes, {rows, rows, state_options_.changed()}, layer.turn[0]);
  state_options_.want(arena_);
  arena_.allocate();
  for (Layer& layer : layers_) {
    layer.turn[1] = layer.turn[0];
    shift_past_initial_state(layer.turn[0], shape_, k_.lanes, -rows);
    shift_past_initial_state(layer.turn[1], shape_, k_.lanes, 0);
  }
  Team alone(1, nullptr, nullptr);
  state_options_.begin(Member::of({1, false}, {shape_, batch_, {0, 1}, maps_, k_.lanes}, 0, alone), place_);
  store_state(nullptr, nullptr);
}

template <class T, class W>
void Stream<T, W>::step(const T* x, T* y) {
  turn_ = 1 - turn_;
  parallel(std::min(threads_, thread_limit()), [&](int rank, Team& team) noexcept {
    const Member me = Member::of({team.size(), team.size() > 1}, {shape_, batch_, {0, 1}, maps_, k_.lanes}, rank, team);
    const T* input = x;
    Index row = shape_.input;
    for (Index layer = 0; layer < shape_.layers; ++layer) {
      step_layer(me, layer, input, row);
      input = now(layers_[static_cast<std::size_t>(layer)]).h;
      row = width_.output;
    }
    if (rank == 0)
      for (Index r = 0; r < rows(); ++r) std::copy_n(input + r * row, shape_.output(), y + r * shape_.output());
  });
}

// Panel by panel, the last first at every other step, so that the weights with which one step ends are still cached
// when the next begins. Where all units of a phase must be finished before the next one, its panels go together.
template <class T, class W>
void Stream<T, W>::step_layer(const Member& me, Index index, const T* x, Index x_row) {
  const StepBuffers<T>& buffers = now(layers_[static_cast<std::size_t>(index)]);
  const auto& weights = weights_->of(index, 0);
  const BufferedStep at = step_rows();
  const auto add_input = [&](Index panel, int panels) {
    input_product<T>(steps_.kernels(), maps_.x, weights, panel,
                     {.rows = at.count,
                      .x = x,
                      .x_row = x_row,
                      .columns = shape_.layer_input(index),
                      .gates = buffers.gates,
                      .gates_panel = steps_.gates_panel(),
                      .panels = panels});
  };
  const auto add_inputs = [&](Range panels) {
    for (Index panel = panels.begin, count; panel < panels.end; panel += count) {
      const bool two = panel + 1 < panels.end && kernels::side_by_side<T, W>(maps_.x, at.count, panel, k_.lanes);
      count = two ? 2 : 1;
      add_input(panel, two ? 2 : 1);
    }
  };
  if (steps_.has_phases()) {
    add_inputs(me.panels);
    if (shape_.options.layer_norm) steps_.normalise_input(weights, buffers, at.row, at.count);
    steps_.run_forward(me, false, weights, buffers, at);
  } else {
    kernels::StepForward<T, W> step = steps_.forward(me, weights, buffers, at);
    constexpr Index kPanels = sizeof(W) < sizeof(T) ? 2 : 1;  // that the kernels take together
    for (Index i = 0; i < me.panels.size(); i += kPanels) {
      const Index count = smaller(kPanels, me.panels.size() - i);
      step.panel_begin = at.descending ? me.panels.end - count - i : me.panels.begin + i;
      step.panel_end = step.panel_begin + count;
      add_inputs({step.panel_begin, step.panel_end});
      steps_.run_alone(step);
    }
    me.meet();
  }
  if (state_options_.any())
    me.phase(false, [&] { state_options_.finish_step(me, place_, 0, buffers, at.row, at.previous); });
}

template <class T, class W>
void Stream<T, W>::load_state(T* h, T* c) const {
  for (const Layer& layer : layers_)
    for (Index row = 0; row < rows(); ++row) {
      h = std::copy_n(now(layer).h + row * width_.output, shape_.output(), h);
      if (shape_.has_c()) c = std::copy_n(now(layer).c + row * width_.state, shape_.hidden, c);
    }
}

template <class T, class W>
void Stream<T, W>::store_state(const T* h, const T* c) {
  const auto store = [](const T*& from, Index columns, T* to, Index to_columns) {
    copy_padded(from, columns, to, to_columns);
    if (from) from += columns;
  };
  for (const Layer& layer : layers_) {
    for (Index row = 0; row < rows(); ++row) {
      store(h, shape_.output(), now(layer).h + row * width_.output, width_.output);
      if (shape_.has_c()) store(c, shape_.hidden, now(layer).c + row * width_.state, width_.state);
    }
    state_options_.make_h_in({0, rows()}, now(layer), 0);
  }
}

template <class T, class W>
void Stream<T, W>::reset(const std::uint8_t* these) {
  for (Index row = 0; row < rows(); ++row) {
    if (!these[row]) continue;
    for (const Layer& layer : layers_) {
      std::fill_n(now(layer).h + row * width_.output, width_.output, T(0));
      if (shape_.has_c()) std::fill_n(now(layer).c + row * width_.state, width_.state, T(0));
      state_options_.make_h_in({row, row + 1}, now(layer), 0);
    }
  }
}

template class Stream<float>;
template class Stream<double>;
template class Stream<float, kernels::Bf16>;

}  // namespace pyrnn
