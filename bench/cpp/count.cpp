// SPDX-License-Identifier: Apache-2.0
#include "count.h"

#if __has_include(<valgrind/callgrind.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wuseless-cast"
#include <valgrind/callgrind.h>
#else
#include <stdexcept>
#define CALLGRIND_ZERO_STATS throw std::invalid_argument("count: built without valgrind's headers")
#define CALLGRIND_DUMP_STATS_AT(name) static_cast<void>(name)
#endif

namespace pyrnn::bench {

const std::vector<std::string>& counted() {
  static const std::vector<std::string> names = {
      "product lstm rows=32 K=64 width=4 panels=8",
      "product gru rows=1 K=256 width=3 panels=32",
      "back_product lstm rows=32 K=64 width=4 panels=8",
      "weight_gradient lstm rows=512 K=64 width=4 panels=8",
      "pack_forward lstm K=64 width=4 panels=8",
      "lstm_forward rows=32 H=64",
      "lstm_backward rows=32 H=64",
      "gru_forward rows=32 H=64",
      "gru_backward rows=32 H=64",
      "stream_step lstm H=16",
      "inference gru T=10 B=8 H=64",
      "training lstm T=10 B=8 H=64",
  };
  return names;
}

void count_call(const std::string& name, const std::function<void()>& call) {
  call();
  CALLGRIND_ZERO_STATS;
  call();
  CALLGRIND_DUMP_STATS_AT(name.c_str());
}

}  // namespace pyrnn::bench
