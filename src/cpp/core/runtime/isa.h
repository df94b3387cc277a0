// SPDX-License-Identifier: Apache-2.0
// The instruction sets of this build and this CPU, and the kernel table in use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace pyrnn {

// Built into this library and supported by this CPU, best first.
std::vector<std::string> available_isas();

// The table that every driver takes its kernels from; a call reads it once, at its start. Valid after set_active_isa.
const kernels::KernelTable& active_kernels() noexcept;
// The same with products of float32, whatever the precision: for packed weights whose columns a product may take
// from an odd one on, and for arrays that are not weights.
const kernels::KernelTable& active_kernels_of_float32() noexcept;

// That of the instruction set which every build has and every CPU runs.
const kernels::KernelTable& baseline_kernels() noexcept;

// How often the table in use has changed: what was packed before and after are of one table if this stayed the same.
std::uint64_t kernel_changes() noexcept;

// Calls f with every table of this build.
void for_each_table(void (*f)(const kernels::KernelTable&) noexcept) noexcept;

// Throws std::invalid_argument when `name` was not built or this CPU lacks it; the active table then stays. Products
// are those of float32 afterwards.
void set_active_isa(std::string_view name);

// Products of the active instruction set with operands in this precision; std::invalid_argument where this CPU, or the
// set, has no instructions for it.
void set_active_precision(kernels::Precision precision);

}  // namespace pyrnn
