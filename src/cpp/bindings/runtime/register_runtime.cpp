// SPDX-License-Identifier: Apache-2.0
// Instruction sets, threads, workspaces, and the settings of this build.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <stdexcept>
#include <string>

#include "core/runtime/arena.h"
#include "core/runtime/caches.h"
#include "core/runtime/compiler.h"
#include "core/runtime/cpu_quota.h"
#include "core/runtime/isa.h"
#include "core/runtime/parallel.h"
#include "core/runtime/peak.h"

namespace py = pybind11;

namespace pyrnn::bindings {
namespace {

using kernels::Precision;

std::map<std::string, std::string> build_info() {
  return {{"compiler", kCompiler},
          {"version", PYRNN_VERSION},
          {"build_type", PYRNN_BUILD_TYPE},
          {"openmp", kHasTeams ? "yes" : "no"}};
}

void set_limit(py::ssize_t bytes) {
  if (bytes < 0) {
    throw std::invalid_argument("bytes: " + std::to_string(bytes) + ", expected 0 or more");
  }
  set_workspace_limit(static_cast<std::size_t>(bytes));
}

double peak_of(int threads, double seconds) {
  if (threads < 1) throw std::invalid_argument("threads: " + std::to_string(threads) + ", expected 1 or more");
  if (!(seconds > 0 && seconds <= 1))
    throw std::invalid_argument("seconds: " + std::to_string(seconds) + ", expected more than 0, and 1 at most");
  const py::gil_scoped_release released;
  return peak_flops(threads, seconds);
}

void set_caches(py::ssize_t first, py::ssize_t second) {
  if (first < 1 || second < 1)
    throw std::invalid_argument("first, second: " + std::to_string(first) + ", " + std::to_string(second) +
                                ", expected bytes");
  set_cache_sizes({first, second});
}

}  // namespace

void register_runtime(py::module_& m) {
  // PYRNN_ISA is read in Python: whatever is thrown here becomes an ImportError.
  set_active_isa(available_isas().front());
  m.def("available_isas", &available_isas);
  m.def("active_isa", [] { return active_kernels().name; });
  m.def("_set_isa", &set_active_isa, py::arg("name"));
  m.def("kernel_changes", &kernel_changes);
  m.def("active_precision", [] { return active_kernels().precision == Precision::bf16 ? "bf16" : "float32"; });
  m.def("_set_bf16", [](bool on) { set_active_precision(on ? Precision::bf16 : Precision::float32); }, py::arg("on"));
  set_cache_sizes(cache_sizes());  // for the kernels
  m.def("cache_sizes", [] { return std::pair{cache_sizes().first, cache_sizes().second}; });
  m.def("_set_cache_sizes", &set_caches, py::arg("first"), py::arg("second"));
  m.def("build_info", &build_info);
  m.def("_peak_flops", &peak_of, py::arg("threads"), py::arg("seconds"));
  m.def("default_num_threads", &default_num_threads);
  m.def("thread_limit", &thread_limit);
  m.def("_waits_for_cores", &waits_for_cores);
  m.def("_set_openmp_default", &set_openmp_default, py::arg("threads"));
  m.def("set_workspace_limit", &set_limit, py::arg("bytes"));
  m.def("workspace_limit", &workspace_limit);
}

}  // namespace pyrnn::bindings
