// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/layer_gradients.h"

#include "core/operations/interruptible_gradient.h"
#include "core/recurrent/dropped.h"

namespace pyrnn {
namespace {

using kernels::Start;

constexpr Index kPiecesOfMember = 3;  // in a queue: what a slower member leaves to the others

}  // namespace

template <class T>
void LayerGradients<T>::want(Arena& arena, int threads) {
  if (!batch_.uniform()) arena.want(own_dx_, saved_.rows, larger(shape_.input, shape_.layer_input(1)));
  scratch_.resize(static_cast<std::size_t>(threads));
  for (T*& scratch : scratch_) arena.want(scratch, k_.weight_gradient_scratch(chunk_rows()));
  blocks_.resize(static_cast<std::size_t>(threads));
  diagonal_gradients_.want(threads);
  for (auto& blocks : blocks_) blocks.resize(static_cast<std::size_t>(chunk_steps(batch_.rows())));
}

template <class T>
void LayerGradients<T>::clear(const Member& me) {
  const auto zero = [&]<WeightKind kind>(const Weight<kind>& w, T* sums) {
    const Range mine = share_of(padded_rows(w.map) * (w.columns + 1), me.rank, me.team->size());  // + 1: the ones
    const bool gathered = kind == WeightKind::matrix && out_.are_of_few_rows();
    if (sums && !gathered) std::fill_n(sums + mine.begin, mine.size(), T(0));
  };
  const Scope& scope = saved_.scope;
  if (scope.steps.end < batch_.steps()) return;
  for (Index layer = scope.layers.begin; layer < scope.layers.end; ++layer)
    for (Index direction = scope.directions.begin; direction < scope.directions.end; ++direction)
      for_each_weight(shape_, maps_, layer, zero, out_.directions[index(layer, direction)]);
}

template <class T>
void LayerGradients<T>::run(const Member& me, Index layer, const Rows<T>& d_x,
                            const std::array<GateGradients<T>, 2>& d_gates) {
  const Range directions = saved_.scope.directions;
  if (d_x) {
    for (Index direction = directions.begin; direction < directions.end; ++direction) {
      if (direction > directions.begin) me.team->barrier();  // it adds to rows of the first in another order
      input_gradient(me, layer, direction, d_gates[static_cast<std::size_t>(direction)], d_x);
    }
    me.team->barrier();
    if (layer > 0) drop_input_gradient(me, layer, d_x);
  }
  for (Index direction = directions.begin; direction < directions.end; ++direction)
    weight_gradients(me, layer, direction, d_gates[static_cast<std::size_t>(direction)]);
}

// In pieces that stay in a cache while the columns' panels pass, and between which a call can be stopped.
template <class T>
void LayerGradients<T>::input_gradient(const Member& me, Index layer, Index direction, const GateGradients<T>& d_gates,
                                       const Rows<T>& d_x) {
  constexpr Index kMostRows = 256;
  const Segment steps = saved_.scope.steps;
  const Walk walk(batch_, shape_.reversed(direction), steps);
  const Index I = shape_.layer_input(layer), R = saved_.rows, team = me.team->size();
  const bool in_place = d_x.contiguous() && !walk.own_order();
  const Index first = walk.backwards() ? steps.end - 1 : steps.begin;  // the step whose rows come first in memory
  const Index pieces = larger(ceil_div(R, kMostRows), team == 1 ? 1 : kPiecesOfMember * team);
  queues_[index(layer, direction)].d_x.share(pieces, [&](Index piece) {
    const Range rows = share_of(R, static_cast<int>(piece), static_cast<int>(pieces));
    if (rows.empty() || interrupt_.requested()) return;
    if (in_place) return input_gradient_rows(me, layer, direction, d_gates, rows, d_x.at(walk.time(first, 0), 0));
    // The gates lie in the direction's own order: bring dx's rows into it and back.
    if (direction > 0)
      each_row(walk, rows, d_x, [&](const T* from, Index row) { std::copy_n(from, I, own_dx_ + row * I); });
    input_gradient_rows(me, layer, direction, d_gates, rows, own_dx_);
    each_row(walk, rows, d_x, [&](T* to, Index row) { std::copy_n(own_dx_ + row * I, I, to); });
  });
}

// Calls f(row of dx, row) for rows of the buffers.
template <class T>
template <class F>
void LayerGradients<T>::each_row(const Walk& walk, Range rows, const Rows<T>& d_x, F&& f) const {
  const Segment steps = saved_.scope.steps;
  if (walk.backwards()) {
    for (Index row = rows.begin; row < rows.end; ++row)
      f(d_x.at(walk.time(steps.end - 1 - row / batch_.rows(), 0), row % batch_.rows()), row);
    return;
  }
  const Index first = batch_.offset(steps.begin);
  for (Index step = batch_.step_of(first + rows.begin), row = rows.begin; row < rows.end; ++row) {
    while (first + row >= batch_.offset(step + 1)) ++step;
    const Index j = first + row - batch_.offset(step);
    f(d_x.at(walk.time(step, j), j), row);
  }
}

template <class T>
void LayerGradients<T>::input_gradient_rows(const Member& me, Index layer, Index direction,
                                            const GateGradients<T>& d_gates, Range rows, T* d_x) {
  const Index I = shape_.layer_input(layer);
  k_.back_product({.map = maps_.x,
                   .rows = rows.size(),
                   .d_gates = d_gates.input + rows.begin * 4 * k_.lanes,
                   .gates_panel = panel_,
                   .weight = packed_[index(layer, direction)].w_ih,
                   .columns = I,
                   .column_panel_begin = 0,
                   .column_panel_end = layer > 0 ? ceil_div(I, 4 * k_.lanes) : shape_.given_panels(k_.lanes),
                   .start = direction == 0 ? Start::zero : Start::add,
                   .c = d_x + rows.begin * I,
                   .c_row = I,
                   .c_padded = false});
  interrupt_.poll(me.rank, static_cast<double>(rows.size() * I * maps_.x.panels() * maps_.x.panel_size()));
}

template <class T>
void LayerGradients<T>::drop_input_gradient(const Member& me, Index layer, const Rows<T>& d_x) {
  if (shape_.dropout == 0 || !saved_.tape.key || interrupt_.requested()) return;
  Segment times = saved_.scope.steps;
  if (shape_.reads_backwards()) {  // all have added theirs when the reverse one's first steps are done
    if (saved_.scope.directions.end < shape_.directions || times.begin > 0) return;
    times.end = batch_.steps();
  }
  const Range rows = share_of(batch_.rows(), me.rank, me.team->size());
  drop_rows(k_, rows, times, batch_, {shape_, *saved_.tape.key, layer - 1}, d_x);
}

template <class T>
void LayerGradients<T>::weight_gradients(const Member& me, Index layer, Index direction,
                                         const GateGradients<T>& d_gates) {
  const Walk walk(batch_, shape_.reversed(direction), saved_.scope.steps);
  const auto& saved = saved_.directions[index(layer, direction)];
  const auto& to = out_.directions[index(layer, direction)];
  if (!to.w_ih) return;
  const Index I = shape_.layer_input(layer), P = shape_.output(), H = shape_.hidden;
  const SequenceInput<T>& seq = saved_.tape.input;
  const Rows<const T> input = layer == 0 ? Rows<const T>::of_caller(seq.x, batch_, seq.x_strides)
                                         : saved_.layers.rows(layer, batch_, shape_).read_only();
  const Operand x{input, saved.x, I, false}, h{input, saved.h_in, width_.output, true};
  const Operand rh{input, saved.rh, width_.state, false}, m{input, saved.m, width_.state, false};
  Queues& queues = queues_[index(layer, direction)];
  const Weights<const T> d{.w_ih = d_gates.input,
                           .w_hh = d_gates.recurrent + maps_.h_slot * k_.lanes,
                           .w_hn = saved.gates,
                           .w_hr = d_gates.projected};
  weight_gradient(me, walk, {maps_.x, x, I, d.w_ih, to.w_ih, &queues.w_ih});
  weight_gradient(me, walk, {maps_.h, h, P, d.w_hh, to.w_hh, &queues.w_hh});
  if (to.w_hn) weight_gradient(me, walk, {maps_.candidate, rh, H, d.w_hn, to.w_hn, &queues.w_hn});
  if (to.w_hr) weight_gradient(me, walk, {maps_.proj, m, H, d.w_hr, to.w_hr, &queues.w_hr});
  if (out_.are_of_few_rows() && me.rank == 0) {
    const RowRuns runs = runs_of(walk, saved_.scope.steps);
    const auto from_first = [&](const T* gates) { return gates + runs.first * 4 * k_.lanes; };
    out_.of_few_rows[index(layer, direction)] = {
        .rows = saved_.rows,
        .segments = runs.count,
        .segment_stride = runs.stride * 4 * k_.lanes,
        .gates_panel = panel_,
        .d_gates = {.w_ih = from_first(d.w_ih), .w_hh = from_first(d.w_hh), .w_hn = from_first(d.w_hn)}};
  }
  diagonal_gradients_.run(me, layer, direction);
}

// Some columns at a time; for each of them chunk after chunk of steps, the last first: segments of a sequence can then
// be processed backwards with the same sums.
template <class T>
void LayerGradients<T>::weight_gradient(const Member& me, const Walk& walk, const Piece& piece) {
  const Segment steps = saved_.scope.steps;
  if (steps.begin == steps.end) return;
  if (out_.are_of_few_rows()) return gather_few_rows(me, walk, piece);
  const Index all = piece.columns + 1, team = me.team->size();
  constexpr Index kColumnsWorthTaking = 48;  // dG is read once for each piece
  const Index pieces = team == 1 ? 1 : smaller(team * kPiecesOfMember, larger(team, all / kColumnsWorthTaking));
  piece.queue->share(pieces, [&](Index n) {
    const Range columns = share_of(all, static_cast<int>(n), static_cast<int>(pieces));
    if (columns.empty()) return;
    for_each_chunk(steps, batch_.rows(), [&](Index first, Index end) {
      if (!interrupt_.requested()) chunk_gradient(me, walk, piece, {first, end}, columns);
    });
  });
}

// The rows that few_rows_gradient multiplies with: the caller's may be others by then.
template <class T>
void LayerGradients<T>::gather_few_rows(const Member& me, const Walk& walk, const Piece& piece) {
  const Index width = 4 * k_.lanes;
  piece.queue->share(ceil_div(piece.columns, width), [&](Index panel) {
    const Index first = panel * width, columns = smaller(width, piece.columns - first);
    const Index row = round_up(columns, k_.lanes);
    T* to = piece.out + first * saved_.rows;
    std::vector<Block>& blocks = blocks_[static_cast<std::size_t>(me.rank)];
    const Index count = find_blocks(walk, piece.a, saved_.scope.steps, blocks);
    for (Index n = 0; n < count; ++n) {
      const Block& block = blocks[static_cast<std::size_t>(n)];
      for (Index r = 0; r < block.rows; ++r, to += row)
        copy_padded(block.a + r * stride_of(piece.a) + first, columns, to, row);
    }
  });
}

// The rows of some steps, in the order of the steps. Returns how many blocks they are.
template <class T>
Index LayerGradients<T>::find_blocks(const Walk& walk, const Operand& a, Segment steps,
                                     std::vector<Block>& blocks) const {
  const Index stride = stride_of(a);
  Index count = 0;
  for (Index step = steps.begin; step < steps.end; ++step) {
    const T* data = a.steps ? a.steps + (a.previous ? walk.previous_row(step) : walk.row(step)) * a.stride
                            : a.rows.at(walk.time(step, 0), 0);
    const Index active = walk.active(step);
    if (count > 0 &&
        blocks[static_cast<std::size_t>(count - 1)].a + blocks[static_cast<std::size_t>(count - 1)].rows * stride ==
            data)
      blocks[static_cast<std::size_t>(count - 1)].rows += active;
    else
      blocks[static_cast<std::size_t>(count++)] = {data, active};
  }
  return count;
}

template <class T>
typename LayerGradients<T>::RowRuns LayerGradients<T>::runs_of(const Walk& walk, Segment steps) const {
  if (walk.backwards()) return {walk.row(steps.begin), steps.end - steps.begin, batch_.rows(), -batch_.rows()};
  return {walk.row(steps.begin), 1, steps.rows(batch_), 0};
}

template <class T>
void LayerGradients<T>::chunk_gradient(const Member& me, const Walk& walk, const Piece& piece, Segment steps,
                                       Range columns) {
  std::vector<Block>& blocks = blocks_[static_cast<std::size_t>(me.rank)];
  const Index count = find_blocks(walk, piece.a, steps, blocks);
  const RowRuns runs = runs_of(walk, steps);
  const Index row_size = 4 * k_.lanes;
  kernels::WeightGradient<T> gradient{.map = piece.map,
                                      .blocks = blocks.data(),
                                      .block_count = count,
                                      .rows = steps.rows(batch_),
                                      .a_row = stride_of(piece.a),
                                      .columns = piece.columns,
                                      .column_begin = columns.begin,
                                      .column_end = columns.end,
                                      .d_gates = piece.d_gates + runs.first * row_size,
                                      .gates_panel = panel_,
                                      .segments = runs.count,
                                      .segment_rows = runs.rows,
                                      .segment_stride = runs.stride * row_size,
                                      .out = piece.out,
                                      .scratch = scratch_[static_cast<std::size_t>(me.rank)]};
  run_interruptibly(k_, gradient, interrupt_, me.rank);
}

template class LayerGradients<float>;
template class LayerGradients<double>;

}  // namespace pyrnn
