// SPDX-License-Identifier: Apache-2.0
// A step of a stream of one sequence, from C++: what a call from Python takes beyond this is the binding's.
#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "benchmarks.h"
#include "core/recurrent/step_chain.h"
#include "core/recurrent/stream.h"
#include "core/runtime/isa.h"
#include "serve.h"

namespace pyrnn::bench {
namespace {

constexpr double kGroupSeconds = 0.001, kSliceSeconds = 0.05;  // as bench/worker.py times its calls

// A stream of one layer, one row x and what the first step makes of it.
template <class T>
class OneRow {
 public:
  const double elements;  // of both weights

  OneRow(const kernels::KernelTable& table, Cell cell, Index hidden, int threads)
      : elements(2.0 * static_cast<double>(square_layer(cell, hidden).gates() * hidden * hidden)),
        cell_(cell),
        H_(hidden),
        shape_(square_layer(cell, hidden)),
        G_(shape_.gates()),
        stream_(std::make_shared<Stream<T>>(
            shape_, std::make_shared<const PackedWeights<T>>(table, shape_, weights(), 1), 1, threads)),
        chain_({stream_}, {}, 1) {
    stream_->store_state(h_, c_);
  }
  void step() {
    chain_.choose({.x = x_, .x_row = H_});
    chain_.make(y_);
    chain_.keep();
  }

  Sample sample(Index unit) const {
    Sum of_x[4], of_h[4], all;
    for (Index gate = 0; gate < G_; ++gate) {
      const Index row = gate * H_ + unit;
      Sum &sum_x = of_x[gate], &sum_h = of_h[gate];
      sum_x.add(b_ih_[row]);
      sum_h.add(b_hh_[row]);
      for (Index n = 0; n < H_; ++n) {
        sum_x.add(x_[n], w_ih_[row * H_ + n]);
        sum_h.add(h_[n], w_hh_[row * H_ + n]);
      }
      for (const Sum& sum : {sum_x, sum_h}) {
        all.terms += sum.terms;
        all.magnitude += sum.magnitude;
      }
    }
    const double exact = cell_forward(cell_, of_x, of_h, {h_[unit], c_[unit]}).h;
    return {y_[unit], exact, rounding_of<T>(all) + kCellRounding<T>};
  }

 private:
  std::vector<Weights<const T>> weights() const {
    return {{.w_ih = w_ih_, .w_hh = w_hh_, .w_hn = w_hh_, .b_ih = b_ih_, .b_hh = b_hh_, .w_hr = nullptr}};
  }
  Array<T> parameters(Index count) const { return random_array<T>(count, 1 / std::sqrt(static_cast<double>(H_))); }

  Cell cell_;
  Index H_;
  StackShape shape_;
  Index G_;
  Array<T> w_ih_ = parameters(G_ * H_ * H_), w_hh_ = parameters(G_ * H_ * H_);
  Array<T> b_ih_ = parameters(G_ * H_), b_hh_ = parameters(G_ * H_);
  Array<T> x_ = random_array<T>(H_), h_ = random_array<T>(H_), c_ = random_array<T>(H_), y_ = Array<T>(H_);
  std::shared_ptr<Stream<T>> stream_;
  StepChain<T> chain_;
};

template <class T>
void stream_step(Bench<T>& bench, Cell cell, Index H) {
  OneRow<T> row(bench.table, cell, H, 1);
  bench.run(
      {.kernel = "stream_step",
       .shape = std::string(name_of(cell)) + " H=" + std::to_string(H),
       .flops = 2 * row.elements,
       .bytes = row.elements * sizeof(T)},
      [&](Index) { row.step(); }, H, [&](Index unit) { return row.sample(unit); });
}

template <class T>
double seconds_of_step(OneRow<T>& row, Index steps) {
  const auto start = std::chrono::steady_clock::now();
  for (Index i = 0; i < steps; ++i) row.step();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / static_cast<double>(steps);
}

// The median over one turn's groups. The first group is not timed: others have emptied the caches meanwhile.
template <class T>
double turn(OneRow<T>& row, Index steps) {
  seconds_of_step(row, steps);
  std::vector<double> times;
  for (double total = 0; total < kSliceSeconds; total += times.back() * static_cast<double>(steps))
    times.push_back(seconds_of_step(row, steps));
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

}  // namespace

template <class T>
void bench_stream(Bench<T>& bench) {
  std::vector<Index> sizes = bench.options().hidden_sizes();
  sizes.insert(sizes.begin(), {16, 32});
  for (const Cell cell : kCells)
    for (const Index hidden : sizes) stream_step(bench, cell, hidden);
}

template <class T>
void serve_stream(Cell cell, Index hidden, int threads) {
  OneRow<T> row(active_kernels(), cell, hidden, threads);
  row.step();
  for (Index unit = 0; unit < hidden; ++unit)
    if (const Sample s = row.sample(unit); !(std::abs(s.got - s.exact) <= s.allowed))
      throw std::runtime_error("stream: y of unit " + std::to_string(unit) + " is " + std::to_string(s.got) +
                               ", expected " + std::to_string(s.exact));
  Index steps = 1;
  while (seconds_of_step(row, steps) * static_cast<double>(steps) < kGroupSeconds) steps *= 2;
  serve([&] {
    char text[40];
    std::snprintf(text, sizeof text, "{\"seconds\": %.6g}", turn(row, steps));
    return std::string(text);
  });
}

template void bench_stream(Bench<float>&);
template void bench_stream(Bench<double>&);
template void serve_stream<float>(Cell, Index, int);
template void serve_stream<double>(Cell, Index, int);

}  // namespace pyrnn::bench
