// SPDX-License-Identifier: Apache-2.0
// A recurrent layer's inference one time step at a time: the state and every buffer are kept, so that a step allocates
// nothing.
#pragma once

#include <memory>
#include <vector>

#include "core/recurrent/chain_part.h"
#include "core/recurrent/state_options.h"
#include "core/recurrent/step.h"

namespace pyrnn {

template <class T, class W = T>
class Stream final : public ChainPart<T> {
 public:
  // threads: at most this many take a step, where it is long enough to share.
  Stream(const StackShape& shape, std::shared_ptr<const PackedWeights<T, W>> weights, Index rows, int threads);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  const StackShape& shape() const { return shape_; }
  Index rows() const { return batch_.rows(); }

  Index inputs() const override { return shape_.input; }
  Index outputs() const override { return shape_.output(); }
  double work(Index rows) const override { return work_of_rows(shape_, static_cast<double>(rows), sizeof(W)); }
  bool reads_first() const override { return true; }
  void step(const ActiveRows& rows, const T* x, T* y) override;
  void keep(const ActiveRows& rows) noexcept override;
  void run(const ChunkSteps& chunk, const T* x, Strides x_strides, T* y, int threads, Interrupt::Check check) override;
  void keep_run() noexcept override { store_state(end_h_.data(), end_c_.data()); }

  void load_state(T* h, T* c) const;                 // h [L][B][P], c [L][B][H] (cells with c)
  void store_state(const T* h, const T* c) noexcept; // null: zero

 private:
  // One layer's buffers hold one step, with three places for h and c. Two take turns: what one step makes is the state
  // before in the next. Where some rows are idle or begin again, the states of those that take part are copied together
  // in the place whose turn it would be, and the step leads from there to the third.
  struct Layer {
    StepBuffers<T> place[3];
  };
  static constexpr int kThird = 2;
  struct Way {
    int from, to;
  };
  const StepBuffers<T>& now(const Layer& layer) const { return layer.place[now_]; }
  void make(const Batch& batch, Way way, int threads, const T* x, T* y);
  void step_layer(const Member& me, const Place& at, Way way, const T* x, Index x_row);
  void gather(const ActiveRows& rows);
  void copy_row(const StepBuffers<T>& from, Index row, const StepBuffers<T>& to, Index to_row) const noexcept;
  void clear_row(const StepBuffers<T>& of, Index row) const noexcept;

  const StackShape shape_;
  const std::shared_ptr<const PackedWeights<T, W>> weights_;
  const kernels::Kernels<T>& k_;
  const CellMaps maps_;
  const Batch batch_;
  const RowWidths<T> width_;
  CellSteps<T, W> steps_;
  const int most_threads_, threads_;
  StateOptions<T> state_options_;
  int now_ = 0;
  bool descending_ = false;
  kernels::Int8* left_x_ = nullptr;  // of each member: x as its product reads it, if not in place
  Index left_x_row_ = 0;
  Arena arena_;
  std::vector<Layer> layers_;
  std::vector<T> end_h_, end_c_;  // of a run: its last states
};

}  // namespace pyrnn
