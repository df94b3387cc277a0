// SPDX-License-Identifier: Apache-2.0
// A step of a stream of one sequence, from C++: what a call from Python takes beyond this is the binding's.
#include "benchmarks.h"
#include "core/stream.h"

namespace pyrnn::bench {
namespace {

template <class T>
void stream_step(Bench<T>& bench, Cell cell, Index H) {
  const StackShape shape = square_layer(cell, H);
  const Index G = shape.gates();
  const double bound = 1 / std::sqrt(static_cast<double>(H));
  const auto w_ih = random_array<T>(G * H * H, bound), w_hh = random_array<T>(G * H * H, bound);
  const auto b_ih = random_array<T>(G * H, bound), b_hh = random_array<T>(G * H, bound);
  const auto x = random_array<T>(H), h = random_array<T>(H), c = random_array<T>(H);
  const Array<T> y(H);
  const std::vector<Weights<const T>> weights{
      {.w_ih = w_ih, .w_hh = w_hh, .b_ih = b_ih, .b_hh = b_hh, .w_hr = nullptr}};
  Stream<T> stream(shape, std::make_shared<const PackedWeights<T>>(bench.table, shape, weights, 1), 1);
  stream.store_state(h, c);
  const double elements = 2.0 * static_cast<double>(G * H * H);
  bench.run(
      {.kernel = "stream_step",
       .shape = std::string(name_of(cell)) + " H=" + std::to_string(H),
       .flops = 2 * elements,
       .bytes = elements * sizeof(T)},
      [&](Index) { stream.step(x, y); }, H,
      [&](Index unit) -> Sample {
        Sum of_x[4], of_h[4], all;
        for (Index gate = 0; gate < G; ++gate) {
          const Index row = gate * H + unit;
          Sum &sum_x = of_x[gate], &sum_h = of_h[gate];
          sum_x.add(b_ih[row]);
          sum_h.add(b_hh[row]);
          for (Index n = 0; n < H; ++n) {
            sum_x.add(x[n], w_ih[row * H + n]);
            sum_h.add(h[n], w_hh[row * H + n]);
          }
          for (const Sum& sum : {sum_x, sum_h}) {
            all.terms += sum.terms;
            all.magnitude += sum.magnitude;
          }
        }
        return {y[unit], cell_forward(cell, of_x, of_h, {h[unit], c[unit]}).h, rounding_of<T>(all) + kCellRounding<T>};
      });
}

}  // namespace

template <class T>
void bench_stream(Bench<T>& bench) {
  std::vector<Index> sizes = bench.options().hidden_sizes();
  sizes.insert(sizes.begin(), {16, 32});
  for (const Cell cell : kCells)
    for (const Index hidden : sizes) stream_step(bench, cell, hidden);
}

template void bench_stream(Bench<float>&);
template void bench_stream(Bench<double>&);

}  // namespace pyrnn::bench
