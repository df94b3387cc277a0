// SPDX-License-Identifier: Apache-2.0
// What is held for one of the types of arithmetic and of packed weights, of which only a call knows which.
#pragma once

#include <memory>
#include <variant>

#include "core/runtime/isa.h"

namespace pyrnn::bindings {

template <template <class, class> class Of>
using OfWeights = std::variant<std::shared_ptr<Of<float, float>>, std::shared_ptr<Of<double, double>>,
                               std::shared_ptr<Of<float, kernels::Bf16>>>;

}  // namespace pyrnn::bindings
