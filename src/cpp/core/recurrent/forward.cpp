// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/forward.h"

#include "core/recurrent/attending.h"
#include "core/recurrent/input_products.h"
#include "core/recurrent/outputs.h"
#include "core/recurrent/piece_states.h"
#include "core/recurrent/state_options.h"
#include "core/runtime/caches.h"

namespace pyrnn {
namespace {

using kernels::Kernels;
using kernels::Start;

// Rows for which x*W_ih is made at a time: as many as keep their gates in half of the second-level cache, but enough of
// them for each read of the weights.
constexpr Index kFewestRowsAhead = 64, kMostRowsAhead = 256;
Index rows_ahead(Index bytes_of_row) {
  return smaller(larger(cache_sizes().second / 2 / bytes_of_row, kFewestRowsAhead), kMostRowsAhead);
}

template <class T, class W>
class ForwardPass {
 public:
  // Without job.saved, buffers hold only the steps of one chunk.
  ForwardPass(const ForwardJob<T, W>& job, Split split, Interrupt::Check check)
      : job_(job),
        shape_(job.shape),
        k_(kernels::of_type<T>(job.weights.table())),
        maps_(maps_of(shape_, k_.lanes)),
        batch_(job.batch),
        seq_(job.sequences),
        scope_(job.scope),
        saved_(job.saved),
        split_(split),
        interrupt_(check),
        chunk_(larger(1, smaller(scope_.steps.end - scope_.steps.begin,
                                 rows_ahead(maps_.x.panels() * 4 * k_.lanes * static_cast<Index>(sizeof(T))) /
                                     larger(1, batch_.rows() / (split.by_units ? 1 : split.threads))))),
        width_(shape_, k_.lanes),
        gates_panel_(gates_panel_stride(saved_ ? saved_->rows : chunk_ * batch_.rows(), k_.lanes)),
        steps_(shape_, maps_, job.weights, saved_ ? saved_->rows : chunk_ * batch_.rows()),
        inputs_(job_, steps_.kernels(), maps_, gates_panel_, interrupt_),
        attending_(job_),
        work_of_row_(static_cast<double>(shape_.output() * shape_.hidden * shape_.gates()) + seq_.attended.work()),
        outputs_(job_, k_, layers_),
        state_options_(shape_, batch_, k_, job.key) {
    // Of one width for all layers: members are not always in the same layer, and must stay in rows of their own.
    inference_x_row_ = kernels::left_columns<W>(larger(shape_.layer_input(0), shape_.layer_input(1)));
    if (!saved_) want_chunk_buffers();
    state_options_.want(arena_);
    steps_.want_left(arena_, batch_.rows(), split_);
    if (!kernels::kLeftIsNarrow<W>) pairs_row_ = kernels::left_bytes(steps_.kernels(), inference_x_row_);
    if (pairs_row_) arena_.want(pairs_, chunk_ * batch_.rows(), pairs_row_);
    arena_.allocate();
    if (!saved_) shift_past_initial_state<T>(inference_, shape_, k_.lanes, -batch_.rows());
    for (Index layer = 0; own_layers() && layer < shape_.layers; ++layer) layers_.input.push_back(by_turns_[layer % 2]);
    layers_.first_row = batch_.offset(scope_.steps.begin);
    if (job.layers || saved_) layers_ = job.layers ? *job.layers : saved_->layers;
  }

  bool run() {
    parallel(split_.threads, &interrupt_, [&](int rank, Team& team) noexcept {
      const Member me =
          Member::of({team.size(), split_.by_units}, {shape_, batch_, scope_.steps, maps_, k_.lanes}, rank, team);
      for (Index layer = scope_.layers.begin; layer < scope_.layers.end; ++layer) {
        for (Index direction = scope_.directions.begin; direction < scope_.directions.end; ++direction)
          run_direction(me, layer, direction);
        if (!interrupt_.requested()) outputs_.drop(me, layer);
        me.meet();
      }
    });
    return !interrupt_.requested();
  }

 private:
  bool own_layers() const { return !saved_ && !job_.layers && shape_.layers > 1; }
  void want_chunk_buffers() {
    const Index rows = chunk_ * batch_.rows();
    want_buffers<T>(arena_, shape_, maps_, k_.lanes, {rows, batch_.rows(), state_options_.changed()}, inference_);
    arena_.want(inference_x_, rows, inference_x_row_);
    for (T*& input : by_turns_) arena_.want(input, own_layers() ? scope_.steps.rows(batch_) : 0, shape_.layer_input(1));
  }

  ForwardPlace<T, W> place(Index layer, Index direction) const {
    const Walk walk(batch_, shape_.reversed(direction), scope_.steps);
    const std::size_t index = static_cast<std::size_t>(layer * shape_.directions + direction);
    const Rows<const T> input = input_of(layer);
    const StepBuffers<T>& buffers = saved_ ? saved_->directions[index] : inference_;
    const bool gathers =
        kernels::kLeftIsNarrow<W> || walk.own_order() || !input.regular() || (layer == 0 && shape_.context > 0);
    return {.at = {layer, direction, walk},
            .buffers = buffers,
            .input = input,
            .input_columns = shape_.given_input(layer),
            .gathers = gathers,
            .x = own_x(buffers),
            .x_row = saved_ ? shape_.layer_input(layer) : inference_x_row_,
            .pairs = pairs_,
            .pairs_row = pairs_row_,
            .weights = job_.weights.of(layer, direction),
            .chunk_step = saved_ ? 0 : batch_.rows()};
  }

  kernels::Left<T, W>* own_x(const StepBuffers<T>& buffers) const {
    if constexpr (!kernels::kLeftIsNarrow<W>)
      if (saved_) return buffers.x;
    return inference_x_;
  }

  Rows<const T> input_of(Index layer) const {
    if (layer == 0) return Rows<const T>::of_caller(seq_.x, batch_, seq_.x_strides);
    return layers_.rows(layer, batch_, shape_).read_only();
  }

  void run_direction(const Member& me, Index layer, Index direction) {
    const ForwardPlace<T, W> p = place(layer, direction);
    load_initial_state(me, p);
    for (Index first = scope_.steps.begin; first < scope_.steps.end; first += chunk_) {
      const Index end = smaller(first + chunk_, scope_.steps.end);
      if (!saved_ && first > scope_.steps.begin) carry_state(me, p);
      if (p.gathers && !interrupt_.requested()) inputs_.gather(me, p, first, end);
      if (p.pairs && !interrupt_.requested()) inputs_.pair(me, p, first, end);
      me.meet();
      inputs_.multiply(me, p, first, end);
      if (shape_.options.layer_norm) normalise_input(me, p, first, end);
      for (Index step = first; step < end; ++step) run_step(me, p, step, first);
    }
    me.meet();
  }

  void load_initial_state(const Member& me, const ForwardPlace<T, W>& p) {
    const Index state = p.at.layer * shape_.directions + p.at.direction, P = shape_.output(), H = shape_.hidden;
    const Index first = scope_.steps.begin, initial = p.previous_row(first, first);
    const Range mine = me.copied_rows(batch_.rows());
    for (Index j = mine.begin; j < mine.end; ++j) {
      const Index from = state * batch_.rows() + batch_.state_row(j);
      T* h = p.buffers.h + (initial + j) * width_.output;
      T* c = row_of(p.buffers.c, initial + j, width_.state);
      copy_padded(seq_.h0 ? seq_.h0 + from * P : nullptr, P, h, width_.output);
      if (shape_.has_c()) copy_padded(seq_.c0 ? seq_.c0 + from * H : nullptr, H, c, width_.state);
      if (batch_.length(j) <= first) outputs_.store_state(p.at, j, h, c);
    }
    state_options_.begin(me, p.at);
    state_options_.make_h_in(mine, p.buffers, initial);
  }

  // Inference: the last state of a chunk becomes the initial one of the next.
  void carry_state(const Member& me, const ForwardPlace<T, W>& p) {
    const Index last = (chunk_ - 1) * batch_.rows(), initial = -batch_.rows();
    const Range mine = me.copied_rows(batch_.rows());
    const auto carry = [&](T* state, Index row) {
      std::copy_n(state + (last + mine.begin) * row, mine.size() * row, state + (initial + mine.begin) * row);
    };
    carry(p.buffers.h, width_.output);
    if (state_options_.changed().h_in) carry(p.buffers.h_in, width_.output);
    if (shape_.has_c()) carry(p.buffers.c, width_.state);
  }

  // The contexts of a step's rows, and their part of the gates.
  void attend(const ForwardPlace<T, W>& p, Index step, Range rows, const BufferedStep& at) {
    if (p.at.layer > 0 || !shape_.context || rows.empty()) return;
    T* x = p.x + at.row * p.x_row + shape_.input;
    attending_.step(rows, step, p.buffers.h + at.previous * width_.output, width_.output, x, p.x_row);
    for (Index panel = 0; panel < maps_.x.panels(); ++panel)
      input_product<T>(steps_.kernels(), maps_.x, p.weights, panel,
                       {.rows = rows.size(),
                        .x = {x, p.x_row},
                        .columns = shape_.context,
                        .gates = p.buffers.gates + steps_.gate_row(at.row),
                        .gates_panel = gates_panel_,
                        .adds = true,
                        .first = shape_.input,
                        .weight_columns = shape_.layer_input(0)});
  }

  void normalise_input(const Member& me, const ForwardPlace<T, W>& p, Index first, Index end) {
    for (Index step = first; step < end; ++step) {
      const Range rows = me.active_rows(p.at.walk.active(step));
      if (!interrupt_.requested())
        steps_.normalise_input(p.weights, p.buffers, p.row(step, first) + rows.begin, rows.size());
    }
  }

  // x*W_ih + b stands in the gates. Then the context's part, the cell's phases, what becomes of its h and c, and where
  // these go.
  void run_step(const Member& me, const ForwardPlace<T, W>& p, Index step, Index first) {
    const bool stopped = interrupt_.requested();
    const Range rows = me.active_rows(p.at.walk.active(step));
    const BufferedStep at = p.rows(rows, step, first);
    if constexpr (std::is_same_v<T, W>)  // a decoder's weights are never narrower
      if (!stopped) attend(p, step, rows, at);
    steps_.run_forward(me, stopped, p.weights, p.buffers, at);
    const Index row = p.row(step, first);  // of the step's first, which another member may hold
    if (state_options_.any())
      me.phase(stopped,
               [&] { state_options_.finish_step(me, p.at, step, p.buffers, row, p.previous_row(step, first)); });
    if (stopped) return;
    interrupt_.poll(me.rank, static_cast<double>(rows.size()) * work_of_row_);
    outputs_.emit(me, p.at, step, p.buffers.h + row * width_.output, row_of(p.buffers.c, row, width_.state));
  }

  const ForwardJob<T, W>& job_;
  const StackShape& shape_;
  const Kernels<T>& k_;
  const CellMaps maps_;
  const Batch& batch_;
  const Sequences<T>& seq_;
  const Scope scope_;
  Saved<T>* const saved_;
  const Split split_;
  Interrupt interrupt_;
  const Index chunk_;
  const RowWidths<T> width_;
  const Index gates_panel_;
  Arena arena_;
  StepBuffers<T> inference_{};
  kernels::Left<T, W>* inference_x_ = nullptr;
  Index inference_x_row_ = 0;
  kernels::Int8* pairs_ = nullptr;
  Index pairs_row_ = 0;
  T* by_turns_[2] = {};  // inputs of the layers
  LayerBuffers<T> layers_;
  CellSteps<T, W> steps_;
  InputProducts<T, W> inputs_;
  const AttendingForward<T, W> attending_;
  const double work_of_row_;  // and step
  const Outputs<T, W> outputs_;
  StateOptions<T> state_options_;
};

}  // namespace

template <class T, class W>
bool forward_pass(const ForwardJob<T, W>& job, int threads, Interrupt::Check check) {
  const Split split =
      Split::plan(job.shape, job.batch, kernels::of_type<T>(job.weights.table()).lanes, sizeof(W), threads);
  return ForwardPass<T, W>(job, split, check).run();
}

template <class T, class W>
bool forward(const StackShape& shape, const PackedWeights<T, W>& weights, const Batch& batch,
             const Sequences<T>& sequences, int threads, Interrupt::Check check) {
  const PieceStates<T> states(shape, batch);
  const Sequences<T> of_pieces = states.start(sequences);
  if (!forward_pass<T, W>({shape, weights, batch, of_pieces, Scope::all(shape, batch)}, threads, check)) return false;
  states.finish(sequences);
  return true;
}

template bool forward_pass(const ForwardJob<float>&, int, Interrupt::Check);
template bool forward_pass(const ForwardJob<double>&, int, Interrupt::Check);
template bool forward(const StackShape&, const PackedWeights<float>&, const Batch&, const Sequences<float>&, int,
                      Interrupt::Check);
template bool forward(const StackShape&, const PackedWeights<double>&, const Batch&, const Sequences<double>&, int,
                      Interrupt::Check);
template bool forward(const StackShape&, const PackedWeights<float, kernels::Bf16>&, const Batch&,
                      const Sequences<float>&, int, Interrupt::Check);
template bool forward(const StackShape&, const PackedWeights<float, kernels::Int8>&, const Batch&,
                      const Sequences<float>&, int, Interrupt::Check);

}  // namespace pyrnn
