// SPDX-License-Identifier: Apache-2.0
// Data that Python threads share: the gradients, streams made of several parts, and counters. Each is taken and given
// back within one C call, so that no signal handler can raise an exception in between. In a forked child each is free.
#include <atomic>
#include <chrono>
#include <thread>

#include "bindings/runtime/alone.h"
#include "bindings/runtime/arrays.h"
#include "bindings/runtime/fast_method.h"
#include "bindings/runtime/initialised.h"
#include "bindings/runtime/interrupt.h"

namespace pyrnn::bindings {
namespace {

// The right to add to gradients: of one thread of the process at a time. It may take it again, as a signal handler does
// that trains, too. Its fields are used with the GIL alone.
class GradientLock {
 public:
  class Held {
   public:
    explicit Held(GradientLock& lock) : lock_(lock) { lock_.take(); }
    ~Held() { lock_.give_back(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    GradientLock& lock_;
  };

 private:
  bool is_mine() const { return in_use_.taken() && owner_ == PyThread_get_thread_ident(); }
  void take() {
    if (is_mine()) {
      ++depth_;
      return;
    }
    while (!in_use_.take()) wait();
    owner_ = PyThread_get_thread_ident();
    depth_ = 1;
  }
  // A child that was forked while the lock was held may have taken it anew meanwhile.
  void give_back() {
    if (is_mine() && --depth_ == 0) in_use_.release(fork_count());
  }
  // Additions are short, and a condition variable would be copied locked into a forked child.
  static void wait() {
    without_gil([] { std::this_thread::sleep_for(std::chrono::microseconds(50)); });
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }

  InUse in_use_;
  unsigned long owner_ = 0;
  int depth_ = 0;
};

GradientLock gradient_lock;

// Whether `grad` can take additions: an ndarray as `values` is one, writeable.
bool can_be_added_to(py::handle grad, const py::array& values) {
  constexpr int flags =
      int{py::array::c_style} | py::detail::npy_api::NPY_ARRAY_ALIGNED_ | py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  if (!Py_IS_TYPE(grad.ptr(), py::detail::npy_api::get().PyArray_Type_)) return false;
  const auto array = py::reinterpret_borrow<py::array>(grad);
  const py::dtype dtype = array.dtype();
  return (array.flags() & flags) == flags && dtype.normalized_num() == values.dtype().normalized_num() &&
         dtype.byteorder() == '=' && array.ndim() == values.ndim() &&
         std::equal(array.shape(), array.shape() + array.ndim(), values.shape());
}

// The first gradient that cannot take additions, -1 if all can.
py::ssize_t unfit_gradient(const py::tuple& grads, const py::tuple& values) {
  for (std::size_t i = 0; i < grads.size() && i < values.size(); ++i)
    if (!can_be_added_to(grads[i], require_ndarray(values[i], "values"))) return static_cast<py::ssize_t>(i);
  return -1;
}

// Calls all additions, unless a gradient is unfit; returns what unfit_gradient does.
py::ssize_t add_gradients(const py::tuple& additions, const py::tuple& grads, const py::tuple& values) {
  const GradientLock::Held held(gradient_lock);
  const py::ssize_t unfit = unfit_gradient(grads, values);
  if (unfit < 0)
    for (const py::handle addition : additions) addition();
  return unfit;
}

// Runs calls one at a time: a second one meanwhile is refused.
class OneAtATime {
 public:
  explicit OneAtATime(std::string refusal) : refusal_(std::move(refusal)) {}

  PyObject* run(PyObject* const* values, Py_ssize_t positional, PyObject* names) {
    return call_alone(in_use_, refusal_, values, positional, names);
  }

 private:
  std::string refusal_;
  InUse in_use_;
};

PyObject* run_alone(PyObject* self, PyObject* const* values, Py_ssize_t positional, PyObject* names) {
  return as_c_result(
      [&] { return py::reinterpret_steal<py::object>(initialised<OneAtATime>(self).run(values, positional, names)); });
}

// Counts: no two calls get the same number.
struct Counter {
  explicit Counter(std::int64_t first) : upcoming(first) {}
  std::atomic<std::int64_t> upcoming;
};

}  // namespace

void register_shared(py::module_& m) {
  m.def("unfit_gradient", &unfit_gradient, py::arg("grads"), py::arg("values"));
  m.def("add_gradients", &add_gradients, py::arg("additions"), py::arg("grads"), py::arg("values"));
  py::class_<OneAtATime> one_at_a_time(m, "OneAtATime", py::is_final());
  def_init(one_at_a_time, +[](std::string refusal) { return OneAtATime(std::move(refusal)); }, py::arg("refusal"));
  static PyMethodDef run =
      fast_method("run", &run_alone, "run($self, work, *args, **kwargs)\n--\n\nwork(*args, **kwargs), alone.");
  add_method(one_at_a_time, run);
  py::class_<Counter> counter(m, "Counter", py::is_final());
  def_init(counter, +[](std::int64_t first) { return Counter(first); }, py::arg("first"));
  counter.def("next", [](py::handle self) { return initialised<Counter>(self).upcoming.fetch_add(1); })
      .def_property_readonly("upcoming", [](py::handle self) { return initialised<Counter>(self).upcoming.load(); });
}

}  // namespace pyrnn::bindings
