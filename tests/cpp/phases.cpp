// SPDX-License-Identifier: Apache-2.0
// A cell with more phases than any cell of the library, run by members that share its units: GRU with reset before,
// with a phase that does nothing between its two.
//
//   phases equal            prints whether both cells give the same bits, on one thread and on two
//   phases stop PASS        stops a long forward or backward pass; prints "stopped"
//   phases stop PASS drops  the same with recurrent dropout, whose passes have phases of their own
#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "core/recurrent/tape.h"
#include "core/runtime/isa.h"
#include "core/runtime/parallel.h"

namespace {

using namespace pyrnn;

template <class Step>
void nothing(const Step&) noexcept {}

constexpr const char* kOriginal = "gru_reset_before";

kernels::CellKernels<float> cell_of_three_phases(const kernels::Kernels<float>& k) {
  kernels::CellKernels<float> cell = cell_kernels(k, *find_cell(kOriginal));
  cell.cell.name = "three_phases";
  cell.forward[2] = cell.forward[1];
  cell.forward[1] = nothing;
  cell.backward[2] = cell.backward[1];
  cell.backward[1] = nothing;
  return cell;
}

std::vector<float> random_numbers(Index count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-0.06F, 0.06F);
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float& number : numbers) number = uniform(generator);
  return numbers;
}

// One layer, one row: with two threads the members share units.
struct Run {
  Run(const kernels::KernelTable& table, const Cell& cell, Index steps_in, bool drops)
      : steps(steps_in),
        shape{.cell = &cell,
              .input = kInputs,
              .hidden = kUnits,
              .layers = 1,
              .directions = 1,
              .bias = true,
              .proj = 0,
              .dropout = 0,
              .options = {.recurrent_dropout = drops ? 0.5 : 0.0}},
        x(random_numbers(steps * kInputs, 1)),
        y(static_cast<std::size_t>(steps * kUnits)),
        hn(kUnits),
        dh0(kUnits),
        w_ih(random_numbers(3 * kUnits * kInputs, 2)),
        w_hh(random_numbers(3 * kUnits * kUnits, 3)),
        b_ih(random_numbers(3 * kUnits, 4)),
        b_hh(random_numbers(3 * kUnits, 5)),
        packed(std::make_shared<PackedWeights<float>>(table, shape, weights<const float>(*this), 1)) {}

  bool forward(int threads, Interrupt::Check check) {
    const Sequences<float> sequences{.x = x.data(), .x_strides = {kInputs, kInputs}, .y = y.data(), .hn = hn.data()};
    const Training training{.key = DropoutKey{1, 1}, .recompute_every = 0, .threads = threads};
    tape = forward_train<float>(shape, packed, Batch(steps, 1, nullptr), sequences, training, check);
    return tape != nullptr;
  }
  bool backward(int threads, Interrupt::Check check) {
    const SequenceGradients<float> gradients{.dy = y.data(),
                                             .dy_strides = {kUnits, kUnits},
                                             .dhn = nullptr,
                                             .dcn = nullptr,
                                             .dcells = nullptr,
                                             .dcells_strides = {},
                                             .dx = nullptr,
                                             .dh0 = dh0.data(),
                                             .dc0 = nullptr};
    return pyrnn::backward<float>(*tape, weights<const float>(*this), gradients, threads, check) != nullptr;
  }

  template <class T, class Self>
  static std::vector<Weights<T>> weights(Self& self) {
    Weights<T> w{};
    w.w_ih = self.w_ih.data();
    w.w_hh = w.w_hn = self.w_hh.data();
    w.b_ih = self.b_ih.data();
    w.b_hh = self.b_hh.data();
    return {w};
  }

  static constexpr Index kInputs = 4, kUnits = 256;
  const Index steps;
  const StackShape shape;
  std::vector<float> x, y, hn, dh0, w_ih, w_hh, b_ih, b_hh;
  std::shared_ptr<const PackedWeights<float>> packed;
  std::unique_ptr<Tape<float>> tape;
};

// Asked by member 0, between two steps, 50 ms after a pass began. Meanwhile the other member begins the next step: it
// takes part in that as if nothing had happened, while member 0 already skips it.
bool stop() {
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return true;
}

bool equal(const kernels::KernelTable& table, const Cell& three) {
  Run first(table, *find_cell(kOriginal), 40, false);
  first.forward(1, nullptr);
  first.backward(1, nullptr);
  bool same = true;
  for (const int threads : {1, 2}) {
    Run run(table, three, 40, false);
    run.forward(threads, nullptr);
    run.backward(threads, nullptr);
    same = same && run.y == first.y && run.dh0 == first.dh0;
  }
  return same;
}

bool stopped(const kernels::KernelTable& table, const Cell& three, std::string_view pass, bool drops) {
  Run run(table, three, 20000, drops);
  if (pass == "forward") return !run.forward(2, stop);
  return run.forward(2, nullptr) && !run.backward(2, stop);
}

}  // namespace

int main(int count, char** words) {
  set_active_isa(available_isas().front());
  kernels::KernelTable table = active_kernels();
  const kernels::CellKernels<float> cells[] = {cell_of_three_phases(table.f32),
                                               cell_kernels(table.f32, *find_cell(kOriginal))};
  table.f32.cells = cells;
  table.f32.cell_count = 2;
  if (parallel(2, [](int, Team&) noexcept {}) < 2) return std::puts("one thread alone"), 1;
  const std::string_view what = count > 1 ? words[1] : "";
  if (what == "equal") return std::puts(equal(table, cells[0].cell) ? "equal" : "different"), 0;
  if (what != "stop" || count < 3) return std::puts("phases: expected equal or stop"), 2;
  return std::puts(stopped(table, cells[0].cell, words[2], count > 3) ? "stopped" : "finished"), 0;
}
