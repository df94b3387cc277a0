// SPDX-License-Identifier: Apache-2.0
// The Python object of a linear layer.
#pragma once

#include "bindings/runtime/initialised.h"
#include "bindings/runtime/of_weights.h"
#include "core/operations/linear.h"

namespace pyrnn::bindings {

struct PackedLinearObject {
  OfWeights<PackedLinear> linear;
};

}  // namespace pyrnn::bindings

namespace pybind11::detail {
template <>
struct type_caster<pyrnn::bindings::PackedLinearObject>
    : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::PackedLinearObject> {};
}  // namespace pybind11::detail
