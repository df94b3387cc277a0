// SPDX-License-Identifier: Apache-2.0
// Inference one time step at a time: the state and every buffer are kept, so that a step allocates nothing.
#pragma once

#include <memory>
#include <vector>

#include "core/recurrent/cell_norm.h"
#include "core/runtime/parallel.h"

namespace pyrnn {

template <class T>
class Stream {
 public:
  // threads: at most so many take a step, where it is long enough to share.
  Stream(const StackShape& shape, std::shared_ptr<const PackedWeights<T>> weights, Index rows, int threads);
  const StackShape& shape() const { return shape_; }
  Index rows() const { return rows_; }
  const PackedWeights<T>& weights() const { return *weights_; }
  // Long enough that other threads of the caller should run meanwhile: about 20 us.
  bool long_step() const { return threads_ > 1 || work_ >= kWorkOfLongStep; }

  void step(const T* x, T* y);                       // x [B][I] -> y [B][P]
  void load_state(T* h, T* c) const;                 // h [L][B][P], c [L][B][H] (LSTM)
  void store_state(const T* h, const T* c);          // null: zero

 private:
  static constexpr double kWorkOfLongStep = 2e6;
  struct Layer {
    T* gates;
    T* h[2];  // of the last step at `current`, of the one before at the other
    T* m;     // with projection
    T* c;
    T* c_new;  // what the cell made: c, or with zoneout a buffer of its own
    T* rh;
    NormBuffers<T> norm;
  };
  void step_layer(Index layer, const T* x, Index x_row, int rank, Team& team);
  void zone_out(Index layer, int rank, Team& team);
  void step_panels(Index layer, const T* x, Index x_row, Range panels, int rank, Team& team);

  StackShape shape_;
  std::shared_ptr<const PackedWeights<T>> weights_;
  const kernels::Kernels<T>& k_;
  CellMaps maps_;
  Index rows_, state_row_, output_row_, panel_;
  double work_;           // multiply-adds of a step, or as many as take as long
  int threads_;
  bool panels_together_;  // all products of a step must be finished before something else begins
  int current_ = 0;
  Arena arena_;
  std::vector<Layer> layers_;
};

}  // namespace pyrnn
