// SPDX-License-Identifier: Apache-2.0
// Inference one time step at a time: the state and every buffer are kept, so that a step allocates nothing.
#pragma once

#include <memory>
#include <vector>

#include "core/recurrent/state_options.h"
#include "core/recurrent/step.h"

namespace pyrnn {

template <class T, class W = T>
class Stream {
 public:
  // threads: at most this many take a step, where it is long enough to share.
  Stream(const StackShape& shape, std::shared_ptr<const PackedWeights<T, W>> weights, Index rows, int threads);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  const StackShape& shape() const { return shape_; }
  Index rows() const { return batch_.rows(); }
  const PackedWeights<T, W>& weights() const { return *weights_; }
  // Long enough that other threads of the caller should run meanwhile: about 20 us.
  bool long_step() const { return threads_ > 1 || work_ >= kWorkOfLongStep; }

  void step(const T* x, T* y);                       // x [B][I] -> y [B][P]
  void load_state(T* h, T* c) const;                 // h [L][B][P], c [L][B][H] (cells with c)
  void store_state(const T* h, const T* c);          // null: zero
  void reset(const std::uint8_t* rows);              // [B]: those whose state becomes zero

 private:
  static constexpr double kWorkOfLongStep = 2e6;
  // One layer's buffers hold one step, with two places for h and c: what one step makes is the state before in the
  // next.
  struct Layer {
    StepBuffers<T> turn[2];
  };
  const StepBuffers<T>& now(const Layer& layer) const { return layer.turn[turn_]; }
  BufferedStep step_rows() const { return {rows(), 0, turn_ == 0 ? -rows() : rows(), turn_ == 1}; }
  void step_layer(const Member& me, Index layer, const T* x, Index x_row);

  const StackShape shape_;
  const std::shared_ptr<const PackedWeights<T, W>> weights_;
  const kernels::Kernels<T>& k_;
  const CellMaps maps_;
  const Batch batch_;
  const Place place_;  // any layer's: nothing here depends on it
  const RowWidths<T> width_;
  const CellSteps<T, W> steps_;
  const double work_;  // multiply-adds of a step, or as many as take as long
  const int threads_;
  StateOptions<T> state_options_;
  int turn_ = 0;
  Arena arena_;
  std::vector<Layer> layers_;
};

}  // namespace pyrnn
