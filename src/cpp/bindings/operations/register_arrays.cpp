// SPDX-License-Identifier: Apache-2.0
// Products and sums of arrays: check every array again, release the GIL, call the core once.
#include "bindings/runtime/arguments.h"
#include "bindings/runtime/fast_method.h"
#include "bindings/runtime/interrupt.h"
#include "core/operations/arrays.h"
#include "core/runtime/isa.h"

namespace pyrnn::bindings {
namespace {

py::array run_batched_product(py::handle a_in, py::handle b_in, int threads) {
  checked_threads(threads);
  return with_type_of(a_in, "a", [&](auto type) -> py::array {
    using T = decltype(type);
    const Pinned a = require_array<T>(a_in, "a", 3), b = require_array<T>(b_in, "b", 3);
    const py::ssize_t N = a.shape(0), R = a.shape(1), K = a.shape(2), C = b.shape(2);
    require_shape(b, "b", {N, K, C}, "(N, K, columns) of a (N, rows, K)");
    NewArray<T> c({N, R, C});
    const BatchedProduct<T> call{
        .count = N, .rows = R, .inner = K, .columns = C, .a = data<T>(a), .b = data<T>(b), .c = c.data()};
    without_gil([&] { batched_product(call, threads, interrupted); });
    return c.array;
  });
}

py::array run_row_sums(py::handle x_in, int threads) {
  checked_threads(threads);
  return with_type_of(x_in, "x", [&](auto type) -> py::array {
    using T = decltype(type);
    const Pinned x = require_array<T>(x_in, "x", 2);
    NewArray<T> y({x.shape(0)});
    const kernels::RowSums<T> call{.rows = x.shape(0), .columns = x.shape(1), .x = data<T>(x), .y = y.data()};
    without_gil([&] { row_sums(call, threads, interrupted); });
    return y.array;
  });
}

double run_sum_in_order(py::handle terms_in, double start) {
  const Pinned terms = require_array<double>(terms_in, "terms");
  double sum = 0;
  without_gil([&] { sum = sum_in_order(data<double>(terms), terms.size(), start); });
  return sum;
}

std::uint64_t run_fingerprint(const py::list& arrays) {
  std::vector<Pinned> pinned;
  for (const py::handle array : py::tuple(arrays)) {
    pinned.emplace_back(require_ndarray(array, "arrays"));
    require_layout(pinned.back(), "arrays");
  }
  std::vector<Index> bytes;
  for (const Pinned& array : pinned) bytes.push_back(array.nbytes());
  const auto fingerprint = active_kernels().fingerprint;
  std::uint64_t result = 0;
  without_gil([&] {
    for (std::size_t i = 0; i < pinned.size(); ++i) result = fingerprint(pinned[i].data(), bytes[i], result);
  });
  return result;
}

// Without pybind11's dispatch: every call of a recurrent layer asks.
PyObject* whole_rows(PyObject*, PyObject* value) {
  return as_c_result([&] {
    const py::array array = require_ndarray(value, "array");
    return py::bool_(array.dtype().byteorder() == '=' && has_whole_rows(array));
  });
}

}  // namespace

void register_arrays(py::module_& m) {
  m.def("batched_product", &run_batched_product, py::arg("a"), py::arg("b"), py::arg("threads"));
  static PyMethodDef rows = {"has_whole_rows", &whole_rows, METH_O,
                             "has_whole_rows($module, array)\n--\n\nWhether the core reads each row where it lies."};
  add_function(m, rows);
  m.def("fingerprint", &run_fingerprint, py::arg("arrays"));
  m.def("sum_in_order", &run_sum_in_order, py::arg("terms"), py::arg("start"));
  m.def("row_sums", &run_row_sums, py::arg("x"), py::arg("threads"));
}

}  // namespace pyrnn::bindings
