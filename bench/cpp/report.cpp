// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <cmath>
#include <cstdio>
#include <ostream>
#include <sstream>
#include <stdexcept>

namespace pyrnn::bench {
namespace {

std::string cell(double value, const char* format) {
  if (std::isnan(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}
std::string percent(double share) { return cell(100 * share, "%.1f"); }

std::string json(const std::string& text) { return '"' + text + '"'; }  // names and shapes need no escapes
std::string json(double value) {
  const std::string text = cell(value, "%.6g");
  return std::isfinite(value) ? text : "null";
}

std::string json(const Result& r) {
  std::ostringstream out;
  out << "{\"kernel\": " << json(r.kernel) << ", \"isa\": " << json(r.isa) << ", \"dtype\": " << json(r.dtype)
      << ", \"shape\": " << json(r.shape) << ", \"gflops\": " << json(r.gflops)
      << ", \"share_of_peak\": " << json(r.share_of_peak) << ", \"gbytes\": " << json(r.gbytes)
      << ", \"share_of_bandwidth\": " << json(r.share_of_bandwidth) << ", \"microseconds\": " << json(r.microseconds)
      << ", \"rounds\": " << r.rounds << ", \"p10\": " << json(r.p10) << ", \"p90\": " << json(r.p90)
      << ", \"max_error\": " << json(r.max_error) << "}";
  return out.str();
}

}  // namespace

void print_header() {
  std::printf("%-16s %-8s %-7s %-38s %10s %8s %6s %7s %6s %6s %6s %9s\n", "kernel", "isa", "dtype", "shape", "us",
              "GFLOP/s", "% peak", "GB/s", "% read", "p10", "p90", "max error");
}

void print_row(const Result& r) {
  std::printf("%-16s %-8s %-7s %-38s %10s %8s %6s %7s %6s %6s %6s %9s\n", r.kernel.c_str(), r.isa.c_str(),
              r.dtype.c_str(), r.shape.c_str(), cell(r.microseconds, "%.3f").c_str(), cell(r.gflops, "%.1f").c_str(),
              percent(r.share_of_peak).c_str(), cell(r.gbytes, "%.1f").c_str(), percent(r.share_of_bandwidth).c_str(),
              percent(r.p10).c_str(), percent(r.p90).c_str(), cell(r.max_error, "%.1e").c_str());
  std::fflush(stdout);
}

void write_json(std::ostream& file, const std::vector<Result>& results) {
  const char* separator = "[\n";
  for (const Result& result : results) {
    file << separator << json(result);
    separator = ",\n";
  }
  file << "\n]\n";
  if (!file.flush()) throw std::runtime_error("--json: cannot write the file to its end");
}

}  // namespace pyrnn::bench
