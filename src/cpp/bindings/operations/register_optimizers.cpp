// SPDX-License-Identifier: Apache-2.0
// Optimizer steps in place, norms and scaling: check every array again, release the GIL, call the core once.
#include "bindings/runtime/arguments.h"
#include "bindings/runtime/interrupt.h"
#include "core/operations/optimizers.h"

namespace pyrnn::bindings {
namespace {

// An array that the step reads, or updates, and that has the shape of the parameter p.
template <class T>
Pinned like(const py::array& p, py::handle value, const std::string& name) {
  return require_array<T>(value, name, shape_of(p), "the shape of p");
}
template <class T>
std::optional<Pinned> like_or_none(const py::array& p, py::handle value, const std::string& name) {
  return optional_array<T>(value, name, shape_of(p), "the shape of p");
}

void run_sgd_step(py::handle p_in, py::handle g_in, py::handle buffer_in, double lr, double momentum, double dampening,
                  bool nesterov, double weight_decay, bool first, int threads) {
  checked_threads(threads);
  with_type_of(p_in, "p", [&](auto type) {
    using T = decltype(type);
    const Pinned p = require_array<T>(p_in, "p"), g = like<T>(p, g_in, "g");
    const auto buffer = like_or_none<T>(p, buffer_in, "momentum_buffer");
    T *to = writeable_data<T>(p, "p"), *to_buffer = writeable_data<T>(buffer, "momentum_buffer");
    const SgdOptions options{.lr = lr,
                             .momentum = momentum,
                             .dampening = dampening,
                             .nesterov = nesterov,
                             .weight_decay = weight_decay,
                             .first = first};
    without_gil([&, count = p.size(), from = data<T>(g)] { sgd_step(count, to, from, to_buffer, options, threads); });
  });
}

void run_adam_step(py::handle p_in, py::handle g_in, py::handle m_in, py::handle v_in, py::handle v_max_in,
                   double step_size, double gradient_size, double beta1, double beta2, double eps, double weight_decay,
                   double keep, std::int64_t step, int threads) {
  checked_threads(threads);
  require(step >= 1, "step: ", step, ", expected at least 1");
  with_type_of(p_in, "p", [&](auto type) {
    using T = decltype(type);
    const Pinned p = require_array<T>(p_in, "p"), g = like<T>(p, g_in, "g");
    const Pinned m = like<T>(p, m_in, "m"), v = like<T>(p, v_in, "v");
    const auto v_max = like_or_none<T>(p, v_max_in, "v_max");
    const AdamState<T> state{.p = writeable_data<T>(p, "p"),
                             .g = data<T>(g),
                             .m = writeable_data<T>(m, "m"),
                             .v = writeable_data<T>(v, "v"),
                             .v_max = writeable_data<T>(v_max, "v_max")};
    const AdamOptions options{.step_size = step_size,
                              .gradient_size = gradient_size,
                              .beta1 = beta1,
                              .beta2 = beta2,
                              .eps = eps,
                              .weight_decay = weight_decay,
                              .keep = keep,
                              .step = step};
    without_gil([&, count = p.size()] { adam_step(count, state, options, threads); });
  });
}

void run_rmsprop_step(py::handle p_in, py::handle g_in, py::handle square_avg_in, py::handle grad_avg_in,
                      py::handle buffer_in, double lr, double alpha, double square_rate, double eps, double momentum,
                      double weight_decay, int threads) {
  checked_threads(threads);
  with_type_of(p_in, "p", [&](auto type) {
    using T = decltype(type);
    const Pinned p = require_array<T>(p_in, "p"), g = like<T>(p, g_in, "g");
    const Pinned square_avg = like<T>(p, square_avg_in, "square_avg");
    const auto grad_avg = like_or_none<T>(p, grad_avg_in, "grad_avg");
    const auto buffer = like_or_none<T>(p, buffer_in, "momentum_buffer");
    const RmspropState<T> state{.p = writeable_data<T>(p, "p"),
                                .g = data<T>(g),
                                .square_avg = writeable_data<T>(square_avg, "square_avg"),
                                .grad_avg = writeable_data<T>(grad_avg, "grad_avg"),
                                .momentum_buffer = writeable_data<T>(buffer, "momentum_buffer")};
    const RmspropOptions options{.lr = lr,
                                 .alpha = alpha,
                                 .square_rate = square_rate,
                                 .eps = eps,
                                 .momentum = momentum,
                                 .weight_decay = weight_decay};
    without_gil([&, count = p.size()] { rmsprop_step(count, state, options, threads); });
  });
}

double run_sum_squares(py::handle a_in) {
  return with_type_of(a_in, "a", [&](auto type) {
    using T = decltype(type);
    const Pinned a = require_array<T>(a_in, "a");
    double sum = 0;
    without_gil([&, from = data<T>(a), count = a.size()] { sum = sum_squares(from, count); });
    return sum;
  });
}

bool run_all_finite(py::handle a_in, int threads) {
  checked_threads(threads);
  return with_type_of(a_in, "a", [&](auto type) {
    using T = decltype(type);
    const Pinned a = require_array<T>(a_in, "a");
    bool finite = true;
    without_gil([&, from = data<T>(a), count = a.size()] { finite = all_finite(from, count, threads); });
    return finite;
  });
}

void run_scale_in_place(py::handle a_in, double factor, int threads) {
  checked_threads(threads);
  with_type_of(a_in, "a", [&](auto type) {
    using T = decltype(type);
    const Pinned a = require_array<T>(a_in, "a");
    without_gil([&, to = writeable_data<T>(a, "a"), count = a.size()] { scale_in_place(to, count, factor, threads); });
  });
}

}  // namespace

void register_optimizers(py::module_& m) {
  m.def("sgd_step", &run_sgd_step, py::arg("p"), py::arg("g"), py::arg("momentum_buffer"), py::arg("lr"),
        py::arg("momentum"), py::arg("dampening"), py::arg("nesterov"), py::arg("weight_decay"), py::arg("first"),
        py::arg("threads"));
  m.def("adam_step", &run_adam_step, py::arg("p"), py::arg("g"), py::arg("m"), py::arg("v"), py::arg("v_max"),
        py::arg("step_size"), py::arg("gradient_size"), py::arg("beta1"), py::arg("beta2"), py::arg("eps"),
        py::arg("weight_decay"), py::arg("keep"), py::arg("step"), py::arg("threads"));
  m.def("rmsprop_step", &run_rmsprop_step, py::arg("p"), py::arg("g"), py::arg("square_avg"), py::arg("grad_avg"),
        py::arg("momentum_buffer"), py::arg("lr"), py::arg("alpha"), py::arg("square_rate"), py::arg("eps"),
        py::arg("momentum"), py::arg("weight_decay"), py::arg("threads"));
  m.def("sum_squares", &run_sum_squares, py::arg("a"));
  m.def("all_finite", &run_all_finite, py::arg("a"), py::arg("threads"));
  m.def("scale_in_place", &run_scale_in_place, py::arg("a"), py::arg("factor"), py::arg("threads"));
}

}  // namespace pyrnn::bindings
