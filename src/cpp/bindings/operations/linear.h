// SPDX-License-Identifier: Apache-2.0
// The Python object of a linear layer.
#pragma once

#include <memory>
#include <variant>

#include "bindings/runtime/initialised.h"
#include "core/operations/linear.h"

namespace pyrnn::bindings {

// Of either element type, or in bf16.
struct PackedLinearObject {
  std::variant<std::unique_ptr<const PackedLinear<float>>, std::unique_ptr<const PackedLinear<double>>,
               std::unique_ptr<const PackedLinear<float, kernels::Bf16>>>
      linear;
};

}  // namespace pyrnn::bindings

namespace pybind11::detail {
template <>
struct type_caster<pyrnn::bindings::PackedLinearObject>
    : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::PackedLinearObject> {};
}  // namespace pybind11::detail
