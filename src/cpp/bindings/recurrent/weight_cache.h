// SPDX-License-Identifier: Apache-2.0
// Packed weights of tensors, as the tensors are at the call.
#pragma once

#include <unordered_map>

#include "bindings/recurrent/stack_arguments.h"

namespace pyrnn::bindings {

// One of a layer's weights at a call: C-contiguous memory of `bytes`, as `rows` rows.
struct SeenWeight {
  const void* data;
  std::int64_t version;  // that the library counts, kNoVersion where it does not
  Index rows, bytes;
  bool operator==(const SeenWeight&) const = default;
};
constexpr std::int64_t kNoVersion = -1;
std::int64_t version_of(py::handle tensor);

// A tensor's contents change in ways that its version does not show: `p.data.copy_(...)`, `p.data.numpy()[:] = ...`. So
// a copy that was packed at the same versions and addresses is used only if the fingerprint of all contents is that of
// then. A training loop writes the weights between any two calls and pays for no fingerprint: there it is taken from
// the second call with the same versions on.
class WeightCache {
 public:
  // watch(weight, address): a weak reference, to be kept, that calls forget(address) once the weight's memory is freed.
  explicit WeightCache(py::object watch) : watch_(std::move(watch)) {}

  // The Packed; arrays() makes the arrays to pack. `repeated`: calls with the same weights will follow.
  template <class MakeArrays>
  py::object packed(const Stack& stack, py::handle first, const std::vector<SeenWeight>& seen, bool repeated,
                    int threads, MakeArrays&& arrays) {
    const Found found = find(stack, seen, repeated);
    if (found.packed) return found.packed;
    py::object packed = pack_weights(stack, arrays(), threads);
    keep(first, seen, found.contents, packed);
    return packed;
  }
  void forget(std::uintptr_t address);
  std::size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    py::object memory;  // the weak reference. Not of a tensor: torch.utils.swap_tensors refuses those that have some
    std::vector<SeenWeight> seen;
    std::optional<std::uint64_t> contents;  // their fingerprint, once it was taken
    py::object packed;
  };
  struct Found {
    py::object packed;  // null: none, or not with these contents
    std::optional<std::uint64_t> contents;
  };
  Found find(const Stack& stack, const std::vector<SeenWeight>& seen, bool repeated) const;
  void keep(py::handle first, const std::vector<SeenWeight>& seen, std::optional<std::uint64_t> contents,
            const py::object& packed);

  py::object watch_;
  std::unordered_map<std::uintptr_t, std::shared_ptr<const Kept>> kept_;  // by the address of a layer's first weight
};

}  // namespace pyrnn::bindings

namespace pybind11::detail {
template <>
struct type_caster<pyrnn::bindings::WeightCache> : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::WeightCache> {};
}  // namespace pybind11::detail
