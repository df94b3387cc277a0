// SPDX-License-Identifier: Apache-2.0
// The floating-point environment of the calling thread, set for a scope and restored at its end.
#pragma once

#if defined(__aarch64__)
#include <cstdint>
#elif !defined(__x86_64__)
#include <cfenv>
#endif

namespace pyrnn {

#if defined(__x86_64__)
// MXCSR: bits 7 to 12 mask the exceptions, 13 and 14 (zero: to nearest) round, 6 is DAZ, 15 is FTZ.
using FloatControl = unsigned int;
inline constexpr FloatControl kDefaultControl = 0x1f80;
inline constexpr FloatControl kFlushDenormals = 0x8040;
inline FloatControl float_control() noexcept { return __builtin_ia32_stmxcsr(); }
inline void set_float_control(FloatControl value) noexcept { __builtin_ia32_ldmxcsr(value); }
#elif defined(__aarch64__)
// FPCR: zero rounds to nearest with no trap; bit 24 flushes denormal inputs and results.
using FloatControl = std::uint64_t;
inline constexpr FloatControl kDefaultControl = 0;
inline constexpr FloatControl kFlushDenormals = std::uint64_t{1} << 24;
inline FloatControl float_control() noexcept {
  FloatControl value;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
inline void set_float_control(FloatControl value) noexcept { asm volatile("msr fpcr, %0" : : "r"(value) : "memory"); }
#else
// Of any other processor the language knows how it rounds, and not whether it flushes denormals.
using FloatControl = int;
inline constexpr FloatControl kDefaultControl = FE_TONEAREST;
inline constexpr FloatControl kFlushDenormals = 0;
inline FloatControl float_control() noexcept { return std::fegetround(); }
inline void set_float_control(FloatControl value) noexcept { std::fesetround(value); }
#endif

// Rounding to nearest, exceptions masked; `extra` adds kFlushDenormals for kernels, because a
// decaying state passes through denormals, which cost up to 100 cycles each.
class ScopedFloatControl {
 public:
  explicit ScopedFloatControl(FloatControl extra) noexcept : callers_(float_control()) {
    set_float_control(kDefaultControl | extra);
  }
  ~ScopedFloatControl() { set_float_control(callers_); }
  ScopedFloatControl(const ScopedFloatControl&) = delete;
  ScopedFloatControl& operator=(const ScopedFloatControl&) = delete;

 private:
  FloatControl callers_;
};

}  // namespace pyrnn
