// SPDX-License-Identifier: Apache-2.0
// What compiled this.
#pragma once

namespace pyrnn {

#if defined(__clang__)
inline constexpr const char* kCompiler = "clang " __clang_version__;
#else
inline constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

}  // namespace pyrnn
