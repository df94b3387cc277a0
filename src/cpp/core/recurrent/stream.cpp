// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/stream.h"

#include <algorithm>

#include "core/recurrent/forward.h"
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
      width_(shape, k_.lanes),
      steps_(shape_, maps_, *weights_, rows),
      most_threads_(shape.options.layer_norm ? 1 : threads),
      threads_(threads_worth(work(rows), most_threads_)),
      state_options_(shape_, batch_, k_, nullptr),
      layers_(static_cast<std::size_t>(shape.layers)) {
  for (Layer& layer : layers_)
    want_buffers<T>(arena_, shape_, maps_, k_.lanes, {rows, kThird * rows, state_options_.changed()}, layer.place[0]);
  state_options_.want(arena_);
  steps_.want_left(arena_, rows, {most_threads_, most_threads_ > 1});
  left_x_row_ = kernels::left_bytes(steps_.kernels(), larger(shape.input, shape.output()));
  if (left_x_row_) arena_.want(left_x_, most_threads_ * rows, left_x_row_);
  arena_.allocate();
  for (Layer& layer : layers_) {
    layer.place[1] = layer.place[kThird] = layer.place[0];
    for (int place = 0; place <= kThird; ++place)
      shift_past_initial_state(layer.place[place], shape_, k_.lanes, -place * rows);
  }
  Team alone(1, nullptr, nullptr);
  state_options_.begin(Member::of({1, false}, {shape_, batch_, {0, 1}, maps_, k_.lanes}, 0, alone),
                       {0, 0, Walk(batch_, false, {0, 1})});
  store_state(nullptr, nullptr);
}

template <class T, class W>
void Stream<T, W>::step(const ActiveRows& rows, const T* x, T* y) {
  if (rows.are_all()) return make(batch_, {now_, 1 - now_}, threads_, x, y);
  gather(rows);
  make(Batch(1, rows.count, nullptr), {1 - now_, kThird}, threads_worth(work(rows.count), most_threads_), x, y);
}

template <class T, class W>
void Stream<T, W>::keep(const ActiveRows& rows) noexcept {
  if (rows.are_all()) {
    now_ = 1 - now_;
    return;
  }
  for (const Layer& layer : layers_)
    for (Index row = 0, j = 0; row < this->rows(); ++row)
      if (j < rows.count && rows.row(j) == row)
        copy_row(layer.place[kThird], j++, now(layer), row);
      else if (rows.resets && rows.resets[row])
        clear_row(now(layer), row);
}

// The states from which the rows that take part go on.
template <class T, class W>
void Stream<T, W>::gather(const ActiveRows& rows) {
  for (const Layer& layer : layers_)
    for (Index j = 0; j < rows.count; ++j)
      if (rows.resets && rows.resets[rows.row(j)])
        clear_row(layer.place[1 - now_], j);
      else
        copy_row(now(layer), rows.row(j), layer.place[1 - now_], j);
}

template <class T, class W>
void Stream<T, W>::copy_row(const StepBuffers<T>& from, Index row, const StepBuffers<T>& to,
                            Index to_row) const noexcept {
  std::copy_n(from.h + row * width_.output, width_.output, to.h + to_row * width_.output);
  if (shape_.has_c()) std::copy_n(from.c + row * width_.state, width_.state, to.c + to_row * width_.state);
}

template <class T, class W>
void Stream<T, W>::clear_row(const StepBuffers<T>& of, Index row) const noexcept {
  std::fill_n(of.h + row * width_.output, width_.output, T(0));
  if (shape_.has_c()) std::fill_n(of.c + row * width_.state, width_.state, T(0));
}

template <class T, class W>
void Stream<T, W>::make(const Batch& batch, Way way, int threads, const T* x, T* y) {
  descending_ = !descending_;
  parallel(std::min(threads, thread_limit()), [&](int rank, Team& team) noexcept {
    const Member me = Member::of({team.size(), team.size() > 1}, {shape_, batch, {0, 1}, maps_, k_.lanes}, rank, team);
    const T* input = x;
    Index row = shape_.input;
    for (Index layer = 0; layer < shape_.layers; ++layer) {
      step_layer(me, {layer, 0, Walk(batch, false, {0, 1})}, way, input, row);
      input = layers_[static_cast<std::size_t>(layer)].place[way.to].h;
      row = width_.output;
    }
    if (rank == 0)
      for (Index r = 0; r < batch.rows(); ++r) std::copy_n(input + r * row, shape_.output(), y + r * shape_.output());
  });
}

// Panel by panel, the last first at every other step, so that the weights with which one step ends are still cached
// when the next begins. Where all units of a phase must be finished before the next one, its panels go together.
template <class T, class W>
void Stream<T, W>::step_layer(const Member& me, const Place& place, Way way, const T* x, Index x_row) {
  const StepBuffers<T>& buffers = layers_[static_cast<std::size_t>(place.layer)].place[way.to];
  const auto& weights = weights_->of(place.layer, 0);
  const BufferedStep at{place.walk.active(0), 0, (way.from - way.to) * rows(), descending_};
  const Index columns = shape_.layer_input(place.layer);
  const auto left = kernels::left_rows(
      steps_.kernels(), {at.count, columns, x, x_row, left_x_ + me.rank * rows() * left_x_row_, left_x_row_});
  const auto add_input = [&](Index panel, Index panels) {
    input_product<T>(steps_.kernels(), maps_.x, weights, panel,
                     {.rows = at.count,
                      .x = left,
                      .columns = columns,
                      .gates = buffers.gates,
                      .gates_panel = steps_.gates_panel(),
                      .panels = panels});
  };
  const auto for_each_group = [&](auto&& f) {
    kernels::for_each_group(maps_.x, at.count, me.panels.begin, me.panels.end, at.descending, f);
  };
  if (steps_.has_phases()) {
    for_each_group(add_input);
    if (shape_.options.layer_norm) steps_.normalise_input(weights, buffers, at.row, at.count);
    steps_.run_forward(me, false, weights, buffers, at);
  } else {
    kernels::StepForward<T, W> step = steps_.forward(me, weights, buffers, at);
    for_each_group([&](Index panel, Index panels) {
      add_input(panel, panels);
      step.panel_begin = panel;
      step.panel_end = panel + panels;
      steps_.run_alone(step);
      step.left_is_made = true;
    });
    me.meet();
  }
  if (state_options_.any())
    me.phase(false, [&] { state_options_.finish_step(me, place, 0, buffers, at.row, at.previous); });
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
void Stream<T, W>::store_state(const T* h, const T* c) noexcept {
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

// Through the whole-sequence kernels: the same bits as step by step.
template <class T, class W>
void Stream<T, W>::run(const ChunkSteps& chunk, const T* x, Strides x_strides, T* y, int threads,
                       Interrupt::Check check) {
  const auto states = [&](Index columns) { return static_cast<std::size_t>(shape_.layers * rows() * columns); };
  const std::size_t of_h = states(shape_.output()), of_c = shape_.has_c() ? states(shape_.hidden) : 0;
  std::vector<T> h(of_h), c(of_c);
  end_h_.resize(of_h);
  end_c_.resize(of_c);
  load_state(h.data(), c.data());
  const Batch batch(chunk.steps, rows(), nullptr, {chunk.resets});
  forward<T>(shape_, *weights_, batch,
             {.x = x,
              .x_strides = x_strides,
              .h0 = h.data(),
              .c0 = shape_.has_c() ? c.data() : nullptr,
              .y = y,
              .hn = end_h_.data(),
              .cn = end_c_.data()},
             threads, check);
}

template class Stream<float>;
template class Stream<double>;
template class Stream<float, kernels::Bf16>;
template class Stream<float, kernels::Int8>;

}  // namespace pyrnn
