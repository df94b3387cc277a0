// SPDX-License-Identifier: Apache-2.0
// Embeddings: check every array again, release the GIL, call the core once.
#include "bindings/operations/embedding.h"
#include "bindings/runtime/interrupt.h"

namespace pyrnn::bindings {
namespace {

py::array run_embedding_forward(py::handle weight, py::handle ids_in, int threads) {
  checked_threads(threads);
  return with_type_of_table(weight, [&](auto type) -> py::array {
    using T = decltype(type);
    const TableArrays<T> arrays(weight);
    const EmbeddingTable<T> table = arrays.table();
    const Pinned ids = require_array<std::int64_t>(ids_in, "ids", 1);
    const auto checked = checked_indices(ids, "ids", {0, table.count});
    NewArray<T> rows({ids.shape(0), table.columns});
    const EmbeddingIds of{.count = ids.shape(0), .ids = checked.data()};
    without_gil([&, to = rows.data()] { embedding_forward(table, of, to, threads, interrupted); });
    return rows.array;
  });
}

void run_embedding_backward(py::handle grad_in, py::handle ids_in, py::handle dy_in) {
  with_type_of(grad_in, "grad", [&](auto type) {
    using T = decltype(type);
    const Pinned grad = require_array<T>(grad_in, "grad", 2), ids = require_array<std::int64_t>(ids_in, "ids", 1);
    T* to = writeable_data<T>(grad, "grad");
    const auto checked = checked_indices(ids, "ids", {0, grad.shape(0)});
    const Pinned dy = require_array<T>(dy_in, "dy", {ids.shape(0), grad.shape(1)}, "(N, embedding size)");
    const EmbeddingIds of{.count = ids.shape(0), .ids = checked.data()};
    without_gil([&, from = data<T>(dy)] { embedding_backward(of, grad.shape(1), from, to); });
  });
}

}  // namespace

void register_embedding(py::module_& m) {
  m.def("embedding_forward", &run_embedding_forward, py::arg("weight"), py::arg("ids"), py::arg("threads"));
  m.def("embedding_backward", &run_embedding_backward, py::arg("grad"), py::arg("ids"), py::arg("dy"));
}

}  // namespace pyrnn::bindings
