// SPDX-License-Identifier: Apache-2.0
// Pooling over time: check every array again, release the GIL, call the core once.
#include "bindings/operations/sequences.h"
#include "bindings/runtime/interrupt.h"

namespace pyrnn::bindings {
namespace {

py::array run_time_sum(py::handle x_in, py::handle lengths_in, bool batch_first, int threads) {
  checked_threads(threads);
  return with_type_of(x_in, "x", [&](auto type) -> py::array {
    using T = decltype(type);
    const Pinned x = require_array<T>(x_in, "x", 3);
    PooledRows of = pooled_rows_of(shape_of(x), batch_first);
    const auto lengths = lengths_of(lengths_in, of);
    of.lengths = lengths.data();
    NewArray<T> y({of.rows, of.columns});
    without_gil([&, from = data<T>(x), to = y.data()] { time_sum(of, from, to, threads, interrupted); });
    return y.array;
  });
}

// (y, the first steps that have the largest values)
py::tuple run_time_max(py::handle x_in, py::handle lengths_in, bool batch_first, int threads) {
  checked_threads(threads);
  return with_type_of(x_in, "x", [&](auto type) {
    using T = decltype(type);
    using Step = kernels::StepNumber<T>;
    const Pinned x = require_array<T>(x_in, "x", 3);
    PooledRows of = pooled_rows_of(shape_of(x), batch_first);
    const auto lengths = lengths_of(lengths_in, of);
    of.lengths = lengths.data();
    require(of.steps <= std::numeric_limits<Step>::max(), "x: ", x, " has too many steps for its dtype");
    NewArray<T> y({of.rows, of.columns});
    NewArray<Step> largest({of.rows, of.columns});
    without_gil([&, from = data<T>(x), to = y.data(), steps = largest.data()] {
      time_max(of, from, to, steps, threads, interrupted);
    });
    return py::make_tuple(y.array, largest.array);
  });
}

py::array run_time_spread(py::handle dy_in, py::handle lengths_in, std::int64_t steps, bool batch_first, int threads) {
  checked_threads(threads);
  return with_type_of(dy_in, "dy", [&](auto type) -> py::array {
    using T = decltype(type);
    const Pinned dy = require_array<T>(dy_in, "dy", 2);
    require(steps >= 0, "steps: ", steps, ", expected at least 0");
    const Shape shape = batch_first ? Shape{dy.shape(0), steps, dy.shape(1)} : Shape{steps, dy.shape(0), dy.shape(1)};
    PooledRows of = pooled_rows_of(shape, batch_first);
    const auto lengths = lengths_of(lengths_in, of);
    of.lengths = lengths.data();
    NewArray<T> dx(shape);
    without_gil([&, from = data<T>(dy), to = dx.data()] { time_spread(of, from, to, threads, interrupted); });
    return dx.array;
  });
}

}  // namespace

void register_pool(py::module_& m) {
  m.def("time_sum", &run_time_sum, py::arg("x"), py::arg("lengths"), py::arg("batch_first"), py::arg("threads"));
  m.def("time_max", &run_time_max, py::arg("x"), py::arg("lengths"), py::arg("batch_first"), py::arg("threads"));
  m.def("time_spread", &run_time_spread, py::arg("dy"), py::arg("lengths"), py::arg("steps"), py::arg("batch_first"),
        py::arg("threads"));
}

}  // namespace pyrnn::bindings
