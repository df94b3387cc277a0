// SPDX-License-Identifier: Apache-2.0
// The activations by the names that Python has for them.
#pragma once

#include <string>

#include "core/operations/activations.h"

namespace pyrnn::bindings {

// ValueError for other names; backward: and for those without a way back.
ActivationKind activation_kind(const std::string& name, bool backward);

}  // namespace pyrnn::bindings
