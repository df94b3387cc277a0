// SPDX-License-Identifier: Apache-2.0
#include "core/operations/linear.h"

#include <algorithm>
#include <vector>

#include "core/operations/interruptible_gradient.h"
#include "core/runtime/isa.h"
#include "core/runtime/parallel.h"
#include "core/runtime/shares.h"

namespace pyrnn {
namespace {

using kernels::Kernels;
using kernels::PanelMap;
using kernels::Start;

// Rows that pass over the weights together, and of which weight gradients are summed before they join the total: a
// constant, so that no thread count moves a bit.
constexpr Index kChunkRows = 512;

PanelMap map_of(Index outputs, Index lanes) { return {.units = outputs, .block = 4 * lanes, .slots = 1, .gate = {0}}; }

int threads_for(Index rows, Index outputs, Index inputs, int threads) {
  return threads_worth(static_cast<double>(rows) * static_cast<double>(outputs) * static_cast<double>(inputs), threads);
}

// A member's part of a product: rows of its own, or where there are too few of them all rows of some panels.
struct Part {
  PanelMap map;
  Range rows, panels;
  Part(Index row_count, const PanelMap& of, int rank, int size) : map(of), rows{0, row_count}, panels{0, of.panels()} {
    const bool by_rows = row_count >= size * kRowsForTiles;
    (by_rows ? rows : panels) = share_of(by_rows ? row_count : of.panels(), rank, size);
  }
  // Calls f(rows, first panel, panels), chunk of rows by chunk of rows, until the caller asks to stop.
  template <class F>
  void visit(const Interrupt& interrupt, F&& f) const {
    for (Index first = rows.begin; first < rows.end; first += kChunkRows) {
      const Range chunk{first, smaller(first + kChunkRows, rows.end)};
      kernels::for_each_group(map, chunk.size(), panels.begin, panels.end, false, [&](Index panel, Index count) {
        if (!interrupt.requested()) f(chunk, panel, count);
      });
    }
  }
};

}  // namespace

template <class T, class W>
PackedLinear<T, W>::PackedLinear(const kernels::KernelTable& table, Index outputs, Index inputs, const T* weight,
                                 const T* bias, int threads)
    : kernels_(&kernels::of_type<T, W>(table)), map_(map_of(outputs, kernels_->lanes)), inputs_(inputs) {
  const Index padded = map_.panels() * map_.panel_size();
  arena_.want(weight_, padded, kernels::packed_columns<W>(inputs));
  arena_.want(bias_, padded);
  arena_.allocate();
  kernels_->pack_bias({.map = map_, .first = bias, .second = nullptr, .out = bias_, .stride = map_.panel_size()});
  parallel(threads_worth(kWorkOfMove * static_cast<double>(outputs * inputs), threads),
           [&](int rank, Team& team) noexcept {
             const Range mine = share_of(map_.panels(), rank, team.size());
             kernels_->pack_forward({.map = map_,
                                     .weight = weight,
                                     .columns = inputs,
                                     .panel_begin = mine.begin,
                                     .panel_end = mine.end,
                                     .out = weight_});
           });
}

template <class T, class W>
void PackedLinear<T, W>::multiply(const Rows& rows, Index panel, Index panels) const {
  const Index columns = map_.units_in(panel), L = kernels_->lanes;
  const Index panel_elements = kernels::packed_columns<W>(inputs_) * map_.panel_size();
  const int width = static_cast<int>(ceil_div(columns, L));
  kernels_->product({.rows = rows.count,
                     .width = width,
                     .a = rows.x.rows,
                     .a_row = rows.x.row,
                     .a_paired = rows.x.paired,
                     .b = weight_ + panel * panel_elements,
                     .b_step = width * L,
                     .length = inputs_,
                     .start = Start::bias,
                     .bias = bias_ + panel * map_.panel_size(),
                     .c = rows.y + panel * map_.panel_size(),
                     .c_row = rows.y_row,
                     .last_lanes = static_cast<int>(columns % L),
                     .panels = panels,
                     .b_panel = panel_elements,
                     .c_panel = map_.panel_size()});
}

template <class T, class W>
void PackedLinear<T, W>::forward(Index rows, const T* x, T* y, int threads, Interrupt::Check check) const {
  Interrupt interrupt(check);
  const Index O = outputs(), I = inputs(), left_row = kernels::left_bytes(*kernels_, I);
  Arena arena;
  kernels::Int8* room = nullptr;
  if (left_row) {
    arena.want(room, rows, left_row);
    arena.allocate();
  }
  parallel(threads_for(rows, O, I, threads), &interrupt, [&](int rank, Team& team) noexcept {
    kernels::LeftRows<T, W> left;
    if (left_row) {
      const Range mine = share_of(rows, rank, team.size());
      kernels_->narrow_rows({mine.size(), I, x + mine.begin * I, I, room + mine.begin * left_row, left_row});
      team.barrier();
      left = kernels::narrow_left<T, W>(room, left_row);
    } else if constexpr (!kernels::kLeftIsNarrow<W>) {
      left = {x, I};
    }
    Part(rows, map_, rank, team.size()).visit(interrupt, [&](Range r, Index panel, Index panels) {
      multiply({r.size(), left.from(r.begin), y + r.begin * O, O}, panel, panels);
      interrupt.poll(rank, static_cast<double>(r.size() * I * map_.units_in(panel) * panels));
    });
  });
}

namespace {

// The members share, one after the other: copying dy into panels and packing W; dx; dW^T; dW.
template <class T>
class LinearBackward {
 public:
  LinearBackward(const LinearGradient<T>& q, int threads, Interrupt::Check check)
      : q_(q),
        k_(kernels::of_type<T>(active_kernels())),
        map_(map_of(q.outputs, k_.lanes)),
        interrupt_(check),
        scratch_(static_cast<std::size_t>(threads)) {
    const Index padded = map_.panels() * map_.panel_size();
    arena_.want(panels_, padded, q.rows);
    arena_.want(weight_, padded, q.d_x ? round_up(q.inputs, k_.lanes) : 0);
    arena_.want(sums_, padded, q.inputs + 1);
    for (T*& scratch : scratch_) arena_.want(scratch, k_.weight_gradient_scratch(smaller(kChunkRows, q.rows)));
    arena_.allocate();
  }

  void run() {
    parallel(static_cast<int>(scratch_.size()), &interrupt_, [&](int rank, Team& team) noexcept {
      prepare(rank, team.size());
      team.barrier();
      if (q_.d_x) input_gradient(rank, team.size());
      weight_gradient(rank, team.size());
      team.barrier();
      const Range mine = share_of(map_.panels(), rank, team.size());
      k_.add_gradient({.map = map_,
                       .d_weight = sums_,
                       .columns = q_.inputs,
                       .panel_begin = mine.begin,
                       .panel_end = mine.end,
                       .grad = q_.d_weight,
                       .bias = q_.d_bias});
    });
  }

 private:
  void prepare(int rank, int size) noexcept {
    const Range rows = share_of(q_.rows, rank, size);
    for (Index panel = 0; panel < map_.panels(); ++panel) {
      const Index units = map_.units_in(panel);
      for (Index r = rows.begin; r < rows.end; ++r) {
        T* to = panels_ + (panel * q_.rows + r) * map_.block;
        std::copy_n(q_.d_y + r * q_.outputs + panel * map_.block, units, to);
        std::fill(to + units, to + map_.block, T(0));
      }
    }
    if (q_.d_x) {
      const Range mine = share_of(columns().panels(), rank, size);
      k_.pack_backward({.map = map_,
                        .weight = q_.weight,
                        .columns = q_.inputs,
                        .column_panel_begin = mine.begin,
                        .column_panel_end = mine.end,
                        .out = weight_});
    }
    const auto zero = [&](T* to, Index count) {
      const Range mine = share_of(count, rank, size);
      std::fill(to + mine.begin, to + mine.end, T(0));
    };
    zero(sums_, map_.panels() * map_.panel_size() * (q_.inputs + 1));
    zero(q_.d_weight, q_.outputs * q_.inputs);
    if (q_.d_bias) zero(q_.d_bias, q_.outputs);
    if (q_.d_x && q_.outputs == 0) zero(q_.d_x, q_.rows * q_.inputs);
  }

  void input_gradient(int rank, int size) noexcept {
    Part(q_.rows, columns(), rank, size).visit(interrupt_, [&](Range r, Index panel, Index panels) {
      k_.back_product({.map = map_,
                       .rows = r.size(),
                       .d_gates = panels_ + r.begin * map_.block,
                       .gates_panel = q_.rows * map_.block,
                       .weight = weight_,
                       .columns = q_.inputs,
                       .column_panel_begin = panel,
                       .column_panel_end = panel + panels,
                       .start = Start::zero,
                       .c = q_.d_x + r.begin * q_.inputs,
                       .c_row = q_.inputs,
                       .c_padded = false});
      interrupt_.poll(rank, static_cast<double>(r.size() * q_.outputs * map_.block * panels));
    });
  }

  void weight_gradient(int rank, int size) noexcept {
    const Range columns = share_of(q_.inputs + 1, rank, size);
    if (columns.empty() || q_.rows == 0 || q_.outputs == 0) return;
    for (Index first = (q_.rows - 1) / kChunkRows * kChunkRows; first >= 0 && !interrupt_.requested();
         first -= kChunkRows) {
      const Index rows = smaller(kChunkRows, q_.rows - first);
      const typename kernels::WeightGradient<T>::Block block{q_.x + first * q_.inputs, rows};
      run_interruptibly<T>(k_,
                           {.map = map_,
                            .blocks = &block,
                            .block_count = 1,
                            .rows = rows,
                            .a_row = q_.inputs,
                            .columns = q_.inputs,
                            .column_begin = columns.begin,
                            .column_end = columns.end,
                            .d_gates = panels_ + first * map_.block,
                            .gates_panel = q_.rows * map_.block,
                            .segments = 1,
                            .segment_rows = rows,
                            .segment_stride = 0,
                            .out = sums_,
                            .scratch = scratch_[static_cast<std::size_t>(rank)]},
                           interrupt_, rank);
    }
  }

  PanelMap columns() const { return map_of(q_.inputs, k_.lanes); }

  const LinearGradient<T>& q_;
  const Kernels<T>& k_;
  const PanelMap map_;
  Interrupt interrupt_;
  Arena arena_;
  T* panels_;  // dy: [panel][N][4*lanes]
  T* weight_;  // kernels::PackBackward
  T* sums_;    // dW^T: [panel][I + 1][4*lanes]
  std::vector<T*> scratch_;
};

}  // namespace

template <class T>
void linear_backward(const LinearGradient<T>& q, int threads, Interrupt::Check check) {
  const int useful = threads_for(q.rows, q.outputs, q.inputs, threads);
  LinearBackward<T> backward(q, useful, check);
  backward.run();
}

template class PackedLinear<float>;
template class PackedLinear<double>;
template class PackedLinear<float, kernels::Bf16>;
template class PackedLinear<float, kernels::Int8>;
template void linear_backward<float>(const LinearGradient<float>&, int, Interrupt::Check);
template void linear_backward<double>(const LinearGradient<double>&, int, Interrupt::Check);

}  // namespace pyrnn
