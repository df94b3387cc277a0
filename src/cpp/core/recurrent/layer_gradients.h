// SPDX-License-Identifier: Apache-2.0
// The rest of BPTT for a layer, once the gradients of all its gates are known: dx = dG*W_ih, and the gradients of the
// weights. Members take rows of dx and columns of dW from queues; no sum is ever split between members.
#pragma once

#include <array>
#include <vector>

#include "core/recurrent/diagonal_gradients.h"
#include "core/recurrent/member.h"
#include "core/recurrent/rows.h"
#include "core/recurrent/saved.h"

namespace pyrnn {

template <class T>
class LayerGradients {
 public:
  LayerGradients(const Saved<T>& saved, const CellMaps& maps, const std::vector<BackwardWeights<T>>& packed,
                 WeightGradients<T>& out, Interrupt& interrupt)
      : saved_(saved),
        shape_(saved.tape.shape),
        batch_(saved.tape.batch),
        k_(kernels::of_type<T>(saved.tape.weights->table())),
        maps_(maps),
        packed_(packed),
        out_(out),
        interrupt_(interrupt),
        width_(shape_, k_.lanes),
        panel_(gates_panel_stride(saved.rows, k_.lanes)),
        diagonal_gradients_(saved, maps, out, interrupt),
        queues_(static_cast<std::size_t>(shape_.layers * shape_.directions)) {}

  void want(Arena& arena, int threads);
  // Sets this member's share of the weight gradients to zero, before the first of the segments.
  void clear(const Member& me);
  // After a barrier. d_x: where dx goes (nowhere, if empty); d_gates: of both directions.
  void run(const Member& me, Index layer, const Rows<T>& d_x, const std::array<GateGradients<T>, 2>& d_gates);

 private:
  using Block = typename kernels::WeightGradient<T>::Block;
  // The rows of one operand of a weight gradient, step by step.
  struct Operand {
    Rows<const T> rows;      // where `steps` is null
    const T* steps;          // row 0 of a buffer in the direction's order
    Index stride;            // of that buffer's rows
    bool previous;           // rows of the step before: the initial state first
  };
  struct Piece {             // one weight matrix
    kernels::PanelMap map;
    Operand a;
    Index columns;
    const T* d_gates;        // row 0, first slot
    T* out;
    Queue* queue;
  };
  // The rows of dG of some steps: runs of as many in the order of memory, `stride` rows apart.
  struct RowRuns {
    Index first, count, rows, stride;
  };
  // The queues of one layer and direction.
  struct Queues {
    Queue d_x, w_ih, w_hh, w_hn, w_hr;
  };

  void input_gradient(const Member& me, Index layer, Index direction, const GateGradients<T>& d_gates,
                      const Rows<T>& d_x);
  void input_gradient_rows(const Member& me, Index layer, Index direction, const GateGradients<T>& d_gates, Range rows,
                           T* d_x);
  template <class F>
  void each_row(const Walk& walk, Range rows, const Rows<T>& d_x, F&& f) const;
  void drop_input_gradient(const Member& me, Index layer, const Rows<T>& d_x);
  void weight_gradients(const Member& me, Index layer, Index direction, const GateGradients<T>& d_gates);
  void weight_gradient(const Member& me, const Walk& walk, const Piece& piece);
  void gather_few_rows(const Member& me, const Walk& walk, const Piece& piece);
  void chunk_gradient(const Member& me, const Walk& walk, const Piece& piece, Segment steps, Range columns);
  Index find_blocks(const Walk& walk, const Operand& a, Segment steps, std::vector<Block>& blocks) const;
  RowRuns runs_of(const Walk& walk, Segment steps) const;
  static Index stride_of(const Operand& a) { return a.steps ? a.stride : a.rows.row_stride(); }
  std::size_t index(Index layer, Index direction) const {
    return static_cast<std::size_t>(layer * shape_.directions + direction);
  }
  Index chunk_rows() const { return smaller(chunk_steps(batch_.rows()) * batch_.rows(), batch_.packed_rows()); }

  const Saved<T>& saved_;
  const StackShape& shape_;
  const Batch& batch_;
  const kernels::Kernels<T>& k_;
  const CellMaps& maps_;
  const std::vector<BackwardWeights<T>>& packed_;
  WeightGradients<T>& out_;
  Interrupt& interrupt_;
  const RowWidths<T> width_;
  const Index panel_;
  DiagonalGradients<T> diagonal_gradients_;
  T* own_dx_ = nullptr;        // dx in the direction's own order, where dx's rows do not lie so
  std::vector<T*> scratch_;    // per member
  std::vector<Queues> queues_;  // per layer and direction
  std::vector<std::vector<Block>> blocks_;  // per member
};

}  // namespace pyrnn
