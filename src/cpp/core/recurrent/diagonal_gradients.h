// SPDX-License-Identifier: Apache-2.0
// The gradients of weights that act unit by unit, computed from the gradients of all gates. They are summed in the same
// chunks of steps as dW, from the last to the first; members hold panels.
#pragma once

#include <vector>

#include "core/recurrent/member.h"
#include "core/recurrent/saved.h"

namespace pyrnn {

template <class T>
class DiagonalGradients {
 public:
  DiagonalGradients(const Saved<T>& saved, const CellMaps& maps, WeightGradients<T>& out, Interrupt& interrupt)
      : saved_(saved),
        shape_(saved.tape.shape),
        batch_(saved.tape.batch),
        k_(kernels::of_type<T>(saved.tape.weights->table())),
        maps_(maps),
        out_(out),
        interrupt_(interrupt) {}

  void want(int threads) {
    steps_.resize(static_cast<std::size_t>(threads));
    for (auto& steps : steps_) steps.resize(static_cast<std::size_t>(chunk_steps(batch_.rows())));
  }
  // After a barrier.
  void run(const Member& me, Index layer, Index direction) {
    const std::size_t i = static_cast<std::size_t>(layer * shape_.directions + direction);
    const Walk walk(batch_, shape_.reversed(direction), saved_.scope.steps);
    if (shape_.options.peephole) peephole(me, walk, saved_.directions[i], out_.directions[i].peephole);
    if (shape_.options.layer_norm) norms(me, walk, saved_.directions[i], out_.directions[i]);
  }

 private:
  // Rows of a buffer and its panels.
  struct Operand {
    const T* data;
    Index row, panel, slot;
    bool previous = false;  // rows of the step before
  };
  struct Piece {
    Operand d, a;
    int slots;
    T* out;
    Index out_panel;
    T* d_bias;
  };

  void peephole(const Member& me, const Walk& walk, const StepBuffers<T>& saved, T* out) {
    const Index L = k_.lanes, gates_panel = gates_panel_stride(saved_.rows, L), size = maps_.peephole.panel_size();
    const Index row = RowWidths<T>(shape_, L).state;
    const kernels::Peepholes& peepholes = shape_.cell->peepholes;
    for (int slot = 0; slot < maps_.peephole.slots; ++slot) {
      const bool of_new = peepholes.of_new[slot];
      sum(me, walk,
          {.d = {saved.gates + peepholes.slot[slot] * L, 4 * L, gates_panel, 0},
           .a = {of_new ? saved.c_new : saved.c, row, L, 0, !of_new},
           .slots = 1,
           .out = out + slot * L,
           .out_panel = size,
           .d_bias = nullptr});
    }
  }

  // Gains, and what is added to what they give: the biases, and the shift of c.
  void norms(const Member& me, const Walk& walk, const StepBuffers<T>& saved, const Weights<T>& to) {
    const Index L = k_.lanes, panel = gates_panel_stride(saved_.rows, L), row = RowWidths<T>(shape_, L).state;
    const auto add = [&](const kernels::PanelMap& map, const Operand& d, const Operand& a, T* gain, T* bias) {
      sum(me, walk, {.d = d, .a = a, .slots = map.slots, .out = gain, .out_panel = map.panel_size(), .d_bias = bias});
    };
    const auto gates = [&](const T* data) { return Operand{data, 4 * L, panel, L}; };
    const Index h = maps_.h_slot * L;
    add(maps_.x, gates(saved.gates), gates(saved.norm.x), to.ln_ih, to.b_ih);
    add(maps_.h, gates(saved.gates + h), gates(saved.norm.h + h), to.ln_hh, to.b_hh);
    if (shape_.has_c()) add(maps_.units, {saved.norm.d_seen, row, L, L}, {saved.norm.c, row, L, L}, to.ln_c, to.b_ln_c);
  }

  void sum(const Member& me, const Walk& walk, const Piece& piece) {
    for_each_chunk(saved_.scope.steps, batch_.rows(), [&](Index first, Index end) {
      if (!interrupt_.requested()) sum_chunk(me, walk, piece, first, end);
    });
  }

  void sum_chunk(const Member& me, const Walk& walk, const Piece& piece, Index first, Index end) {
    auto& steps = steps_[static_cast<std::size_t>(me.rank)];
    const Range panels = share_of(maps_.x.panels(), me.rank, me.team->size());
    const auto at = [&](const Operand& from, Index step) {
      return from.data + (from.previous ? walk.previous_row(step) : walk.row(step)) * from.row;
    };
    Index rows = 0;
    for (Index step = first; step < end; ++step) {
      steps[static_cast<std::size_t>(step - first)] = {at(piece.d, step), at(piece.a, step), walk.active(step)};
      rows += walk.active(step);
    }
    k_.diagonal_gradient({.steps = steps.data(),
                          .step_count = end - first,
                          .panel_begin = panels.begin,
                          .panel_end = panels.end,
                          .slots = piece.slots,
                          .d_row = piece.d.row,
                          .d_panel = piece.d.panel,
                          .a_row = piece.a.row,
                          .a_panel = piece.a.panel,
                          .a_slot = piece.a.slot,
                          .out = piece.out,
                          .out_panel = piece.out_panel,
                          .d_bias = piece.d_bias});
    interrupt_.poll(me.rank, static_cast<double>(rows * panels.size() * piece.slots * k_.lanes));
  }

  using Step = typename kernels::DiagonalGradient<T>::Step;
  const Saved<T>& saved_;
  const StackShape& shape_;
  const Batch& batch_;
  const kernels::Kernels<T>& k_;
  const CellMaps& maps_;
  WeightGradients<T>& out_;
  Interrupt& interrupt_;
  std::vector<std::vector<Step>> steps_;  // per member
};

}  // namespace pyrnn
