// SPDX-License-Identifier: Apache-2.0
// Layer normalisation: check every array again, release the GIL, call the core once.
#include "bindings/runtime/arguments.h"
#include "bindings/runtime/interrupt.h"
#include "core/operations/layer_norm.h"

namespace pyrnn::bindings {
namespace {

// (y, mean, scale): the last two are for the way back.
py::tuple run_layer_norm_forward(py::handle x_in, py::handle weight_in, py::handle bias_in, double eps, int threads) {
  checked_threads(threads);
  return with_type_of(x_in, "x", [&](auto type) {
    using T = decltype(type);
    const Pinned x = require_array<T>(x_in, "x", 2);
    const py::ssize_t N = x.shape(0), C = x.shape(1);
    const auto weight = optional_array<T>(weight_in, "weight", {C}, "(C,)");
    const auto bias = optional_array<T>(bias_in, "bias", {C}, "(C,)");
    NewArray<T> y({N, C}), mean({N}), scale({N});
    const kernels::LayerNorm<T> call{.rows = N,
                                     .columns = C,
                                     .eps = static_cast<T>(eps),
                                     .x = data<T>(x),
                                     .weight = data<T>(weight),
                                     .bias = data<T>(bias),
                                     .y = y.data(),
                                     .mean = mean.data(),
                                     .scale = scale.data()};
    without_gil([&] { layer_norm_forward(call, threads, interrupted); });
    return py::make_tuple(y.array, mean.array, scale.array);
  });
}

// (dx, d_weight, d_bias), None for what is not needed
py::tuple run_layer_norm_backward(py::handle x_in, py::handle weight_in, py::handle dy_in, py::handle mean_in,
                                  py::handle scale_in, bool need_dx, bool need_weights, int threads) {
  checked_threads(threads);
  return with_type_of(x_in, "x", [&](auto type) {
    using T = decltype(type);
    const Pinned x = require_array<T>(x_in, "x", 2);
    const py::ssize_t N = x.shape(0), C = x.shape(1);
    const auto weight = optional_array<T>(weight_in, "weight", {C}, "(C,)");
    const Pinned dy = require_array<T>(dy_in, "dy", {N, C}, "the shape of x");
    const Pinned mean = require_array<T>(mean_in, "mean", {N}, "(N,)");
    const Pinned scale = require_array<T>(scale_in, "scale", {N}, "(N,)");
    std::optional<NewArray<T>> dx, d_weight, d_bias;
    if (need_dx) dx.emplace(Shape{N, C});
    if (need_weights) d_weight.emplace(Shape{C}), d_bias.emplace(Shape{C});
    const kernels::LayerNormGradient<T> call{.rows = N,
                                             .columns = C,
                                             .x = data<T>(x),
                                             .weight = data<T>(weight),
                                             .d_y = data<T>(dy),
                                             .mean = data<T>(mean),
                                             .scale = data<T>(scale),
                                             .d_x = dx ? dx->data() : nullptr};
    without_gil([&, to_weight = d_weight ? d_weight->data() : nullptr, to_bias = d_bias ? d_bias->data() : nullptr] {
      layer_norm_backward(call, to_weight, to_bias, threads, interrupted);
    });
    return py::make_tuple(or_none(dx), or_none(d_weight), or_none(d_bias));
  });
}

}  // namespace

void register_layer_norm(py::module_& m) {
  m.def("layer_norm_forward", &run_layer_norm_forward, py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("eps"),
        py::arg("threads"));
  m.def("layer_norm_backward", &run_layer_norm_backward, py::arg("x"), py::arg("weight"), py::arg("dy"),
        py::arg("mean"), py::arg("scale"), py::arg("need_dx"), py::arg("need_weights"), py::arg("threads"));
}

}  // namespace pyrnn::bindings
