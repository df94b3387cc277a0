// SPDX-License-Identifier: Apache-2.0
// What is held for one of the types of arithmetic and of packed weights, of which only a call knows which.
#pragma once

#include <memory>
#include <variant>

#include "bindings/runtime/arguments.h"
#include "core/runtime/isa.h"

namespace pyrnn::bindings {

template <template <class, class> class Of>
using OfWeights = std::variant<std::shared_ptr<Of<float, float>>, std::shared_ptr<Of<double, double>>,
                               std::shared_ptr<Of<float, kernels::Bf16>>, std::shared_ptr<Of<float, kernels::Int8>>>;

// Calls f(T{}, W{}) for weights of float32 or float64 that are packed in a form: "" as they are, or narrower, "bf16" or
// "int8", of which their numbers must be.
template <class F>
void with_form(bool single, const std::string& form, F&& f) {
  require(form.empty() || (single && (form == "bf16" || form == "int8")), "form: '", form, "', expected ",
          single ? "'', 'bf16' or 'int8'" : "'' for float64");
  if (form == "bf16")
    f(float{}, kernels::Bf16{});
  else if (form == "int8")
    f(float{}, kernels::Int8{});
  else if (single)
    f(float{}, float{});
  else
    f(double{}, double{});
}

}  // namespace pyrnn::bindings
