// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <atomic>
#include <stdexcept>

// Each object of kernels/table.cpp exports one of these. The build passes the sets that it compiled, best first:
// X(avx512)X(avx2)X(baseline).
#define X(isa) extern "C" const pyrnn::kernels::KernelTable* pyrnn_kernels_##isa() noexcept;
PYRNN_BUILT_ISAS
#undef X
#if defined(PYRNN_BF16)
extern "C" void pyrnn_products_bf16_avx512(pyrnn::kernels::KernelTable& table) noexcept;  // kernels/bf16.cpp
#endif

namespace pyrnn {
namespace {

struct BuiltIsa {
  const char* name;
  bool (*supported)() noexcept;
  const kernels::KernelTable* (*kernels)() noexcept;
};

[[maybe_unused]] bool cpu_has_baseline() noexcept { return true; }

// VNNI in the registers of an instruction set.
bool cpu_has_vnni([[maybe_unused]] std::string_view isa) noexcept {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (isa == "avx512") return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 11 & 1);
  if (isa == "avx2") return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#endif
  return false;
}

#if defined(__x86_64__)
[[maybe_unused]] bool cpu_has_avx2() noexcept {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

[[maybe_unused]] bool cpu_has_avx512() noexcept {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}
#endif

#define X(isa) BuiltIsa{#isa, cpu_has_##isa, pyrnn_kernels_##isa},
constexpr BuiltIsa kBuilt[] = {PYRNN_BUILT_ISAS};
#undef X

// AVX512_BF16, which is in none of our instruction sets.
bool cpu_has_bf16() noexcept {
#if defined(PYRNN_BF16)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return cpu_has_avx512() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
#else
  return false;
#endif
}

// Called only on such a CPU: what fills it in is compiled for it.
[[maybe_unused]] kernels::KernelTable& table_of_bf16() noexcept {
  static kernels::KernelTable table = [] {
    kernels::KernelTable made = *std::begin(kBuilt)->kernels();  // that of AVX-512
    made.precision = kernels::Precision::bf16;
#if defined(PYRNN_BF16)
    pyrnn_products_bf16_avx512(made);
#endif
    return made;
  }();
  return table;
}

std::atomic<const kernels::KernelTable*> active{nullptr}, active_of_float32{nullptr};
std::atomic<std::uint64_t> changes{0};

void use(const kernels::KernelTable& table) noexcept {
  if (active.exchange(&table, std::memory_order_acq_rel) != &table) changes.fetch_add(1);
}

[[noreturn]] void refuse(std::string_view name, const char* why) {
  std::string expected;
  for (const std::string& isa : available_isas()) expected += (expected.empty() ? "" : ", ") + isa;
  throw std::invalid_argument("instruction set '" + std::string(name) + "' " + why + ", expected one of: " + expected);
}

}  // namespace

std::uint64_t kernel_changes() noexcept { return changes.load(); }

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const BuiltIsa& isa : kBuilt) {
    if (isa.supported()) names.emplace_back(isa.name);
  }
  return names;
}

const kernels::KernelTable& active_kernels() noexcept { return *active.load(std::memory_order_acquire); }
const kernels::KernelTable& active_kernels_of_float32() noexcept {
  return *active_of_float32.load(std::memory_order_acquire);
}

void for_each_table(void (*f)(const kernels::KernelTable&) noexcept) noexcept {
  for (const BuiltIsa& isa : kBuilt) f(*isa.kernels());
  if (cpu_has_bf16()) f(table_of_bf16());
}

const kernels::KernelTable& baseline_kernels() noexcept { return *std::rbegin(kBuilt)->kernels(); }

void set_active_isa(std::string_view name) {
  const auto* isa =
      std::find_if(std::begin(kBuilt), std::end(kBuilt), [&](const BuiltIsa& built) { return name == built.name; });
  if (isa == std::end(kBuilt)) refuse(name, "is unknown to this build");
  // Asked before its getter is called: that getter is itself compiled for the instruction set.
  if (!isa->supported()) refuse(name, "is not supported by this CPU");
  *isa->kernels()->has_vnni = cpu_has_vnni(isa->name);
  active_of_float32.store(isa->kernels(), std::memory_order_release);
  use(*isa->kernels());
}

void set_active_precision(kernels::Precision precision) {
  const kernels::KernelTable& plain = active_kernels_of_float32();
  if (precision == kernels::Precision::bf16 && !(cpu_has_bf16() && &plain == std::begin(kBuilt)->kernels()))
    throw std::invalid_argument(
        "set_precision: name is 'bf16', expected 'float32': its products need the instructions AVX512_BF16, "
        "which this CPU, or the instruction set in use, '" +
        std::string(plain.name) + "', lacks");
  use(precision == kernels::Precision::bf16 ? table_of_bf16() : plain);
}

}  // namespace pyrnn
