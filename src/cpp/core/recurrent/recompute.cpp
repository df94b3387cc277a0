// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/recompute.h"

namespace pyrnn {
namespace {

// Passes may be shorter than the time between two looks at the clock: their driver asks, too.
bool stopped(Interrupt& interrupt) {
  interrupt.poll(0, 1e9);
  return interrupt.requested();
}

}  // namespace

template <class T>
Recomputation<T>::Recomputation(const Tape<T>& tape, Index segment_steps)
    : tape_(tape), steps_(segment_steps), count_(ceil_div(tape.batch.steps(), segment_steps)) {
  const StackShape& shape = tape.shape;
  const Index states = shape.layers * shape.directions, R = tape.batch.packed_rows();
  h_size_ = states * tape.batch.rows() * shape.output();
  c_size_ = shape.has_c() ? states * tape.batch.rows() * shape.hidden : 0;
  arena_.want(h_, count_ + 1, h_size_);
  arena_.want(c_, count_ + 1, c_size_);
  if (shape.reads_backwards()) {
    kept_.input.resize(static_cast<std::size_t>(shape.layers));
    for (Index layer = 1; layer < shape.layers; ++layer)
      arena_.want(kept_.input[static_cast<std::size_t>(layer)], R, shape.layer_input(layer));
    if (shape.merge == Merge::mul) kept_.h.resize(static_cast<std::size_t>(states));
    for (T*& h : kept_.h) arena_.want(h, R, shape.output());
  }
  arena_.allocate();
}

template <class T>
std::vector<typename Recomputation<T>::Part> Recomputation<T>::parts() const {
  const StackShape& shape = tape_.shape;
  if (!shape.reads_backwards()) return {{{0, shape.layers}, {0, 1}}};
  std::vector<Part> parts;
  for (Index layer = 0; layer < shape.layers; ++layer)
    for (Index direction = 0; direction < shape.directions; ++direction)
      parts.push_back({{layer, layer + 1}, {direction, direction + 1}});
  return parts;
}

template <class T>
Sequences<T> Recomputation<T>::at_borders(const Sequences<T>& sequences, Index segment) const {
  Sequences<T> at = sequences;
  at.h0 = h_ + segment * h_size_;
  at.c0 = c_ + segment * c_size_;
  at.hn = h_ + (segment + 1) * h_size_;
  at.cn = c_ + (segment + 1) * c_size_;
  return at;
}

template <class T>
bool Recomputation<T>::forward(const Sequences<T>& sequences, int threads, Interrupt::Check check) {
  const auto copy = [](const T* from, Index size, T* to) { copy_padded(from, size, to, size); };
  copy(sequences.h0, h_size_, h_);
  copy(sequences.c0, c_size_, c_);
  Interrupt interrupt(check);
  for (const Part& part : parts())
    for (Index i = 0; i < count_; ++i) {
      const Sequences<T> at = at_borders(sequences, i);
      const ForwardJob<T> job{.shape = tape_.shape,
                              .weights = *tape_.weights,
                              .batch = tape_.batch,
                              .sequences = at,
                              .scope = {part.layers, part.directions, segment(i)},
                              .key = tape_.drop_key(),
                              .layers = tape_.shape.reads_backwards() ? &kept_ : nullptr};
      if (!forward_pass(job, threads, check) || stopped(interrupt)) return false;
    }
  copy(h_ + count_ * h_size_, h_size_, sequences.hn);
  copy(c_ + count_ * c_size_, c_size_, sequences.cn);
  return true;
}

template <class T>
bool Recomputation<T>::backward(const std::vector<Weights<const T>>& weights, const SequenceGradients<T>& gradients,
                                WeightGradients<T>& out, int threads, Interrupt::Check check) const {
  const StackShape& shape = tape_.shape;
  Arena arena;
  LayerBuffers<T> d_layers;
  T* by_turns[2];
  const bool whole_layers = shape.reads_backwards() && shape.layers > 1;
  for (T*& d : by_turns) arena.want(d, whole_layers ? tape_.batch.packed_rows() : 0, shape.layer_input(1));
  arena.allocate();
  for (Index layer = 0; layer < shape.layers; ++layer) d_layers.input.push_back(by_turns[layer % 2]);
  const BackwardJob<T> job{weights, gradients, out, shape.reads_backwards() ? &d_layers : nullptr};
  Interrupt interrupt(check);
  const std::vector<Part> all = parts();
  const std::size_t directions = static_cast<std::size_t>(shape.directions);
  for (std::size_t end = all.size(); end > 0; end -= directions)  // the last layer first
    for (std::size_t p = end - directions; p < end; ++p)
      for (Index i = count_ - 1; i >= 0; --i) {
        const Scope scope{all[p].layers, all[p].directions, segment(i)};
        if (!backward_segment(scope, i, job, threads, check)) return false;
        if (stopped(interrupt)) return false;
      }
  return true;
}

template <class T>
bool Recomputation<T>::backward_segment(const Scope& scope, Index segment, const BackwardJob<T>& job, int threads,
                                        Interrupt::Check check) const {
  // The layer's input lies there; its output, and y, have been written.
  LayerBuffers<T> given;
  if (tape_.shape.reads_backwards()) {
    given = kept_;
    for (Index layer = scope.layers.end; layer < tape_.shape.layers; ++layer)
      given.input[static_cast<std::size_t>(layer)] = nullptr;
  }
  Saved<T> saved(tape_, scope, tape_.shape.reads_backwards() ? &given : nullptr);
  const SequenceInput<T>& in = tape_.input;
  const Sequences<T> at = at_borders({.x = in.x, .x_strides = in.x_strides}, segment);
  const ForwardJob<T> again{.shape = tape_.shape,
                            .weights = *tape_.weights,
                            .batch = tape_.batch,
                            .sequences = at,
                            .scope = scope,
                            .key = tape_.drop_key(),
                            .saved = &saved};
  return forward_pass(again, threads, check) && backward_pass(saved, job, threads, check);
}

template struct Recomputation<float>;
template struct Recomputation<double>;

}  // namespace pyrnn
