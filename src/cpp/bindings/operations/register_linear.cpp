// SPDX-License-Identifier: Apache-2.0
// Linear layers: check every array again, release the GIL, call the core once.
#include "bindings/operations/linear.h"

#include "bindings/runtime/arguments.h"
#include "bindings/runtime/initialised.h"
#include "bindings/runtime/interrupt.h"
#include "core/runtime/isa.h"

namespace pyrnn::bindings {
namespace {

template <class T, class W>
std::shared_ptr<PackedLinear<T, W>> packed_as(py::handle weight_in, py::handle bias_in, int threads) {
  const Pinned weight = require_array<T>(weight_in, "weight", 2);
  const py::ssize_t O = weight.shape(0), I = weight.shape(1);
  const auto bias = optional_array<T>(bias_in, "bias", {O}, "(out_features,)");
  std::shared_ptr<PackedLinear<T, W>> packed;
  without_gil([&, w = data<T>(weight), b = data<T>(bias)] {
    packed = std::make_shared<PackedLinear<T, W>>(active_kernels(), O, I, w, b, threads);
  });
  return packed;
}

py::object linear_pack(py::handle weight, py::handle bias, int threads, const std::string& form) {
  checked_threads(threads);
  py::object object = new_object<PackedLinearObject>();
  auto& linear = initialised<PackedLinearObject>(object).linear;
  with_type_of(weight, "weight", [&](auto type) {
    with_form(std::is_same_v<decltype(type), float>, form,
              [&]<class T, class W>(T, W) { linear = packed_as<T, W>(weight, bias, threads); });
  });
  return object;
}

py::array linear_forward(const PackedLinearObject& packed, py::handle x_in, int threads) {
  checked_threads(threads);
  return std::visit(
      [&]<class T, class W>(const std::shared_ptr<PackedLinear<T, W>>& linear) -> py::array {
        const Pinned x = require_array<T>(x_in, "x", 2);
        const py::ssize_t N = x.shape(0);
        require_shape(x, "x", {N, linear->inputs()}, "(N, in_features)");
        NewArray<T> y({N, linear->outputs()});
        without_gil([&, from = data<T>(x), to = y.data()] { linear->forward(N, from, to, threads, interrupted); });
        return y.array;
      },
      packed.linear);
}

py::tuple linear_backward(py::handle x_in, py::handle weight_in, py::handle dy_in, bool need_dx, bool need_db,
                          int threads) {
  checked_threads(threads);
  return with_type_of(weight_in, "weight", [&](auto type) {
    using T = decltype(type);
    const Pinned weight = require_array<T>(weight_in, "weight", 2), x = require_array<T>(x_in, "x", 2);
    const py::ssize_t N = x.shape(0), O = weight.shape(0), I = weight.shape(1);
    require_shape(x, "x", {N, I}, "(N, in_features)");
    const Pinned dy = require_array<T>(dy_in, "dy", {N, O}, "(N, out_features)");
    NewArray<T> dw({O, I});
    std::optional<NewArray<T>> dx, db;
    if (need_dx) dx.emplace(Shape{N, I});
    if (need_db) db.emplace(Shape{O});
    const LinearGradient<T> call{.rows = N,
                                 .outputs = O,
                                 .inputs = I,
                                 .x = data<T>(x),
                                 .weight = data<T>(weight),
                                 .d_y = data<T>(dy),
                                 .d_x = dx ? dx->data() : nullptr,
                                 .d_weight = dw.data(),
                                 .d_bias = db ? db->data() : nullptr};
    without_gil([&] { pyrnn::linear_backward<T>(call, threads, interrupted); });
    return py::make_tuple(or_none(dx), dw.array, or_none(db));
  });
}

}  // namespace

void register_linear(py::module_& m) {
  py::class_<PackedLinearObject>(m, "PackedLinear", py::is_final());
  m.def("linear_pack", &linear_pack, py::arg("weight"), py::arg("bias_or_none"), py::arg("threads"),
        py::arg("form") = "");
  m.def("linear_forward", &linear_forward, py::arg("packed"), py::arg("x"), py::arg("threads"));
  m.def("linear_backward", &linear_backward, py::arg("x"), py::arg("weight"), py::arg("dy"), py::arg("need_dx"),
        py::arg("need_db"), py::arg("threads"));
}

}  // namespace pyrnn::bindings
