// SPDX-License-Identifier: Apache-2.0
// Activations, softmax, cross entropy and dropout: check every array again, release the GIL, call the core once.
#include "bindings/operations/activations.h"

#include <map>
#include <numeric>

#include "bindings/runtime/arguments.h"
#include "bindings/runtime/interrupt.h"
#include "core/operations/dropout.h"

namespace pyrnn::bindings {

ActivationKind activation_kind(const std::string& name, bool backward) {
  static const std::map<std::string, ActivationKind> kinds = {{"tanh", ActivationKind::tanh},
                                                              {"relu", ActivationKind::relu},
                                                              {"sigmoid", ActivationKind::sigmoid},
                                                              {"exp", ActivationKind::exp},
                                                              {"log", ActivationKind::log}};
  const auto found = kinds.find(name);
  require(found != kinds.end() && !(backward && found->second >= ActivationKind::exp), "name: '", name,
          "', expected tanh, relu", (backward ? " or sigmoid" : ", sigmoid, exp or log"));
  return found->second;
}

namespace {

py::array run_activation_forward(const std::string& name, py::handle x_in, int threads) {
  checked_threads(threads);
  return with_type_of(x_in, "x", [&, kind = activation_kind(name, false)](auto type) -> py::array {
    using T = decltype(type);
    const Pinned x = require_array<T>(x_in, "x");
    NewArray<T> y(shape_of(x));
    const kernels::Activation<T> call{.count = x.size(), .x = data<T>(x), .y = y.data()};
    without_gil([&] { activation_forward(kind, call, threads, interrupted); });
    return y.array;
  });
}

py::array run_activation_backward(const std::string& name, py::handle y_in, py::handle dy_in, int threads) {
  checked_threads(threads);
  return with_type_of(y_in, "y", [&, kind = activation_kind(name, true)](auto type) -> py::array {
    using T = decltype(type);
    const Pinned y = require_array<T>(y_in, "y");
    const Pinned dy = require_array<T>(dy_in, "dy", shape_of(y), "the shape of y");
    NewArray<T> dx(shape_of(y));
    const kernels::ActivationGradient<T> call{.count = y.size(), .y = data<T>(y), .d_y = data<T>(dy), .d_x = dx.data()};
    without_gil([&] { activation_backward(kind, call, threads, interrupted); });
    return dx.array;
  });
}

py::array run_softmax_forward(py::handle x_in, int threads) {
  checked_threads(threads);
  return with_type_of(x_in, "x", [&](auto type) -> py::array {
    using T = decltype(type);
    const Pinned x = require_array<T>(x_in, "x", 2);
    NewArray<T> y(shape_of(x));
    const kernels::Softmax<T> call{.rows = x.shape(0), .columns = x.shape(1), .x = data<T>(x), .y = y.data()};
    without_gil([&] { softmax_forward(call, threads, interrupted); });
    return y.array;
  });
}

py::array run_softmax_backward(py::handle y_in, py::handle dy_in, int threads) {
  checked_threads(threads);
  return with_type_of(y_in, "y", [&](auto type) -> py::array {
    using T = decltype(type);
    const Pinned y = require_array<T>(y_in, "y", 2);
    const Pinned dy = require_array<T>(dy_in, "dy", shape_of(y), "the shape of y");
    NewArray<T> dx(shape_of(y));
    const kernels::SoftmaxGradient<T> call{
        .rows = y.shape(0), .columns = y.shape(1), .y = data<T>(y), .d_y = data<T>(dy), .d_x = dx.data()};
    without_gil([&] { softmax_backward(call, threads, interrupted); });
    return dx.array;
  });
}

py::array run_dropout(py::handle x_in, double p, std::uint64_t seed, std::uint64_t draw, std::uint64_t layer,
                      int threads, std::uint32_t first_row) {
  checked_threads(threads);
  require(p >= 0 && p <= 1, "p: ", p, ", expected 0 to 1");
  return with_type_of(x_in, "x", [&](auto type) -> py::array {
    using T = decltype(type);
    const Pinned x = require_array<T>(x_in, "x", 3);
    NewArray<T> y(shape_of(x));
    const DropoutArray<T> call{
        .steps = x.shape(0), .rows = x.shape(1), .units = x.shape(2), .x = data<T>(x), .y = y.data()};
    without_gil([&] { dropout({p, seed, draw, layer, first_row}, call, threads, interrupted); });
    return y.array;
  });
}

py::tuple run_cross_entropy(py::handle logits_in, py::handle targets_in, py::handle scale_in, py::handle spread_in,
                            int threads) {
  checked_threads(threads);
  return with_type_of(logits_in, "logits", [&](auto type) {
    using T = decltype(type);
    const Pinned logits = require_array<T>(logits_in, "logits", 2);
    const py::ssize_t N = logits.shape(0), C = logits.shape(1);
    require(C > 0, "logits: shape ", logits, ", expected (N, C) with at least 1 class");
    const Pinned targets = require_array<std::int64_t>(targets_in, "targets", {N}, "(N,)");
    const Pinned scale = require_array<T>(scale_in, "scale", {N}, "(N,)");
    const auto classes = checked_indices(targets, "targets", {-1, C});
    const auto spread_array = optional_array<T>(spread_in, "spread", {C}, "(C,)");
    const T* spread = data<T>(spread_array);
    const T spread_sum = spread ? std::accumulate(spread, spread + C, T(0)) : T(0);
    NewArray<T> losses({N}), d_logits({N, C});
    const kernels::CrossEntropy<T> call{.rows = N,
                                        .columns = C,
                                        .logits = data<T>(logits),
                                        .targets = classes.data(),
                                        .scale = data<T>(scale),
                                        .spread = spread,
                                        .spread_sum = spread_sum,
                                        .losses = losses.data(),
                                        .d_logits = d_logits.data()};
    without_gil([&] { cross_entropy(call, threads, interrupted); });
    return py::make_tuple(losses.array, d_logits.array);
  });
}

}  // namespace

void register_activations(py::module_& m) {
  m.def("activation_forward", &run_activation_forward, py::arg("name"), py::arg("x"), py::arg("threads"));
  m.def("activation_backward", &run_activation_backward, py::arg("name"), py::arg("y"), py::arg("dy"),
        py::arg("threads"));
  m.def("softmax_forward", &run_softmax_forward, py::arg("x"), py::arg("threads"));
  m.def("softmax_backward", &run_softmax_backward, py::arg("y"), py::arg("dy"), py::arg("threads"));
  m.def("dropout", &run_dropout, py::arg("x"), py::arg("p"), py::arg("seed"), py::arg("draw"), py::arg("layer"),
        py::arg("threads"), py::arg("first_row") = 0);
  m.def("cross_entropy", &run_cross_entropy, py::arg("logits"), py::arg("targets"), py::arg("scale"), py::arg("spread"),
        py::arg("threads"));
}

}  // namespace pyrnn::bindings
