// SPDX-License-Identifier: Apache-2.0
// Commands that stay alive and measure when they are asked.
#pragma once

#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string>

namespace pyrnn::bench {

// Prints the line that answer() makes for each line "r" of standard input, until that ends.
template <class Answer>
void serve(Answer&& answer) {
  for (std::string line; std::getline(std::cin, line);) {
    if (line != "r") throw std::invalid_argument("standard input: '" + line + "', expected lines 'r'");
    std::puts(answer().c_str());
    std::fflush(stdout);
  }
}

}  // namespace pyrnn::bench
