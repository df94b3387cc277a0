// SPDX-License-Identifier: Apache-2.0
// Counts instead of times: valgrind's callgrind counts instructions and cache misses, the same in every run.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace pyrnn::bench {

// The kernels and calls that are counted: kernel and shape of a Case.
const std::vector<std::string>& counted();

// Calls once for the caches, then once under the eyes of callgrind, which writes its counts under that name.
void count_call(const std::string& name, const std::function<void()>& call);

}  // namespace pyrnn::bench
