// SPDX-License-Identifier: Apache-2.0
#include "bindings/recurrent/weight_cache.h"

#include "bindings/runtime/interrupt.h"
#include "core/runtime/isa.h"

namespace pyrnn::bindings {
namespace {

std::uintptr_t address_of(const std::vector<SeenWeight>& seen) {
  return reinterpret_cast<std::uintptr_t>(seen.front().data);
}

std::uint64_t fingerprint_of(const std::vector<SeenWeight>& seen) {
  const auto fingerprint = active_kernels().fingerprint;
  std::uint64_t result = 0;
  without_gil([&] {
    for (const SeenWeight& weight : seen) result = fingerprint(weight.data, weight.bytes, result);
  });
  return result;
}

}  // namespace

std::int64_t version_of(py::handle tensor) {
  static PyObject* const name = PyUnicode_InternFromString("_version");
  const auto version = py::reinterpret_steal<py::object>(PyObject_GetAttr(tensor.ptr(), name));
  if (version) return PyLong_AsLongLong(version.ptr());
  if (!PyErr_ExceptionMatches(PyExc_RuntimeError)) throw py::error_already_set();
  PyErr_Clear();  // a tensor of inference_mode
  return kNoVersion;
}

// The fingerprint is taken before packing: what changes meanwhile is seen by the next call.
WeightCache::Found WeightCache::find(const Stack& stack, const std::vector<SeenWeight>& seen, bool repeated) const {
  const auto place = kept_.find(address_of(seen));
  const std::shared_ptr<const Kept> kept = place == kept_.end() ? nullptr : place->second;
  const bool same = kept && initialised<Packed>(kept->packed).table == &active_kernels_for(stack.shape) &&
                    kept->seen == seen && stack.single == initialised<Packed>(kept->packed).stack.single &&
                    stack.shape == initialised<Packed>(kept->packed).stack.shape;
  if (!same && !repeated) return {};
  const std::uint64_t contents = fingerprint_of(seen);
  return {same && kept->contents == contents ? kept->packed : py::object(), contents};
}

void WeightCache::keep(py::handle first, const std::vector<SeenWeight>& seen, std::optional<std::uint64_t> contents,
                       const py::object& packed) {
  const std::uintptr_t address = address_of(seen);
  auto kept = std::make_shared<const Kept>(Kept{watch_(first, address), seen, contents, packed});
  kept_[address].swap(kept);  // what was there goes last: its destructor may run Python code
}

void WeightCache::forget(std::uintptr_t address) {
  const auto gone = kept_.extract(address);  // destroyed last, as above
}

}  // namespace pyrnn::bindings
