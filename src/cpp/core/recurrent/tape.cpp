// SPDX-License-Identifier: Apache-2.0
#include "core/recurrent/tape.h"

#include "core/recurrent/piece_states.h"
#include "core/recurrent/recompute.h"

namespace pyrnn {

template <class T>
Tape<T>::Tape(const StackShape& s, std::shared_ptr<const PackedWeights<T>> w, const Batch& b, const Sequences<T>& q,
              std::optional<DropoutKey> k, GivenMemory m)
    : shape(s), weights(std::move(w)), batch(b), input{q.x, q.x_strides, q.attended}, key(k), memory(m) {}

template <class T>
Tape<T>::~Tape() = default;

template <class T>
void Tape<T>::save_all() {
  saved = std::make_unique<Saved<T>>(*this, Scope::all(shape, batch));
}

template <class T>
std::unique_ptr<Tape<T>> forward_train(const StackShape& shape, std::shared_ptr<const PackedWeights<T>> weights,
                                       const Batch& batch, const Sequences<T>& sequences, const Training& training,
                                       Interrupt::Check check) {
  auto tape = std::make_unique<Tape<T>>(shape, std::move(weights), batch, sequences, training.key, training.memory);
  const PieceStates<T> states(shape, batch);
  const Sequences<T> of_pieces = states.start(sequences);
  const Index every = smaller(training.recompute_every, batch.steps());
  const Index segment = round_up(every, chunk_steps(batch.rows()));
  if (segment > 0 && segment < batch.steps()) {
    tape->recomputation = std::make_unique<Recomputation<T>>(*tape, segment);
    if (!tape->recomputation->forward(of_pieces, training.threads, check)) return nullptr;
    states.finish(sequences);
    return tape;
  }
  tape->save_all();
  const ForwardJob<T> job{.shape = shape,
                          .weights = *tape->weights,
                          .batch = tape->batch,
                          .sequences = of_pieces,
                          .scope = tape->saved->scope,
                          .key = tape->drop_key(),
                          .saved = tape->saved.get()};
  if (!forward_pass(job, training.threads, check)) return nullptr;
  states.finish(sequences);
  return tape;
}

template <class T>
std::unique_ptr<WeightGradients<T>> backward(const Tape<T>& tape, const std::vector<Weights<const T>>& weights,
                                             const SequenceGradients<T>& gradients, int threads,
                                             Interrupt::Check check) {
  auto result = std::make_unique<WeightGradients<T>>(tape.shape, tape.weights->table(), threads,
                                                     tape.saved ? &tape.batch : nullptr, gradients.of_weights);
  const PieceStates<T> states(tape.shape, tape.batch);
  const SequenceGradients<T> of_pieces = states.start_backward(gradients);
  const bool finished = tape.recomputation
                            ? tape.recomputation->backward(weights, of_pieces, *result, threads, check)
                            : backward_pass<T>(*tape.saved, {weights, of_pieces, *result}, threads, check);
  if (!finished) return nullptr;
  states.finish_backward(gradients);
  return result;
}

template struct Tape<float>;
template struct Tape<double>;
template std::unique_ptr<Tape<float>> forward_train(const StackShape&, std::shared_ptr<const PackedWeights<float>>,
                                                    const Batch&, const Sequences<float>&, const Training&,
                                                    Interrupt::Check);
template std::unique_ptr<Tape<double>> forward_train(const StackShape&, std::shared_ptr<const PackedWeights<double>>,
                                                     const Batch&, const Sequences<double>&, const Training&,
                                                     Interrupt::Check);
template std::unique_ptr<WeightGradients<float>> backward(const Tape<float>&, const std::vector<Weights<const float>>&,
                                                          const SequenceGradients<float>&, int, Interrupt::Check);
template std::unique_ptr<WeightGradients<double>> backward(const Tape<double>&,
                                                           const std::vector<Weights<const double>>&,
                                                           const SequenceGradients<double>&, int, Interrupt::Check);

}  // namespace pyrnn
