// SPDX-License-Identifier: Apache-2.0
// Activations of whole arrays that lie in the first-level cache.
#include "benchmarks.h"

namespace pyrnn::bench {
namespace {

// ulp, absolute: the errors that kernels/vmath.h states, the second in units of epsilon.
template <class T>
void activation(Bench<T>& bench, const char* name, void (*kernel)(const kernels::Activation<T>&) noexcept,
                double (*exact)(double), double ulp, double absolute) {
  constexpr Index count = 2048;
  const auto x = random_array<T>(count, 4);
  const Array<T> y(count);
  bench.run(
      {.kernel = name, .shape = "elements=" + std::to_string(count), .bytes = 2.0 * count * sizeof(T)},
      [&](Index) { kernel({.count = count, .x = x, .y = y}); }, count,
      [&](Index i) -> Sample {
        const double expected = exact(x[i]);
        return {y[i], expected, std::numeric_limits<T>::epsilon() * (ulp * std::abs(expected) + absolute)};
      });
}

}  // namespace

template <class T>
void bench_elementwise(Bench<T>& bench) {
  const auto& k = bench.k.elementwise;
  const double absolute = sizeof(T) == 4 ? 1.5 : 0;  // float32's sigmoid goes by tanh
  activation<T>(bench, "exp", k.exp_forward, [](double x) { return std::exp(x); }, 2, 0);
  activation<T>(bench, "tanh", k.tanh_forward, [](double x) { return std::tanh(x); }, 5, 0);
  activation<T>(bench, "sigmoid", k.sigmoid_forward, sigmoid, 2.5, absolute);
}

template void bench_elementwise(Bench<float>&);
template void bench_elementwise(Bench<double>&);

}  // namespace pyrnn::bench
