// SPDX-License-Identifier: Apache-2.0
// What was measured: a table on standard output while it is, and a JSON file at the end.
#pragma once

#include <iosfwd>
#include <limits>
#include <string>
#include <vector>

namespace pyrnn::bench {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();  // null in JSON: makes no sense here

// Medians over the rounds. p10 and p90 are those of share_of_bandwidth where there is one, else of share_of_peak.
struct Result {
  std::string kernel, isa, dtype, shape;
  double gflops = kNone, share_of_peak = kNone;
  double gbytes = kNone, share_of_bandwidth = kNone;
  double microseconds = kNone;  // of the whole case, all its pieces
  int rounds = 0;
  double p10 = kNone, p90 = kNone;
  double max_error = kNone;  // the largest difference from double precision among the elements compared
};

void print_header();
void print_row(const Result& result);
// A list of all results, of which there is at least one. Throws std::runtime_error when the file takes no more.
void write_json(std::ostream& file, const std::vector<Result>& results);

}  // namespace pyrnn::bench
