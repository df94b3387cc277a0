// SPDX-License-Identifier: Apache-2.0
// The rounds of one case.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "bench.h"

namespace pyrnn::bench {
namespace {

constexpr double kSliceSeconds = 0.0015;
constexpr Index kSamples = 1024;
constexpr Index kStride = 7919;  // a prime: the samples fall on every row, column and lane

struct Slice {
  double done = 0, seconds = 0;
};

// Of this thread alone: what other processes take of the CPU meanwhile does not count.
double cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Slice slice(const Work& work, Index calls) {
  const double start = cpu_seconds();
  const double done = work(calls);
  return {done, cpu_seconds() - start};
}

// One of those that take turns, with its rates per second in all rounds.
class Contender {
 public:
  // warm_up: calls before each slice, because another's data have come into the caches since its last.
  Contender(const Work& work, Index warm_up) : work_(work) {
    double seconds = slice(work_, 1).seconds;
    while (seconds < kSliceSeconds / 4) seconds = slice(work_, calls_ *= 2).seconds;
    calls_ = std::max<Index>(1, static_cast<Index>(static_cast<double>(calls_) * kSliceSeconds / seconds));
    warm_up_ = std::min(warm_up, calls_);
  }
  void take_turn() {
    if (warm_up_ > 0) work_(warm_up_);
    const Slice s = slice(work_, calls_);
    rates.push_back(s.done / s.seconds);
  }
  std::vector<double> rates;

 private:
  const Work& work_;
  Index calls_ = 1, warm_up_;
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(std::lround(q * static_cast<double>(values.size() - 1)))];
}
double median(const std::vector<double>& values) { return quantile(values, 0.5); }

// The median, over the rounds, of how much of `best` the work of all pieces is; and the spread.
double share_of(const std::vector<double>& best, const std::vector<double>& rates, double work, Result& result) {
  std::vector<double> shares;
  for (std::size_t i = 0; i < rates.size(); ++i) shares.push_back(rates[i] * work / best[i]);
  result.p10 = quantile(shares, 0.1);
  result.p90 = quantile(shares, 0.9);
  return median(shares);
}

}  // namespace

double Turns::compare(const Case& c, Index elements, const std::function<Sample(Index)>& sample) const {
  double largest = 0;
  for (Index i = 0; i < std::min(elements, kSamples); ++i) {
    const Index element = elements <= kSamples ? i : i * kStride % elements;
    const Sample s = sample(element);
    const double error = std::abs(s.got - s.exact);
    if (!(error <= s.allowed)) {  // also where it is NaN
      std::ostringstream text;
      text << c.kernel << ' ' << isa_ << ' ' << dtype_ << ' ' << c.shape << ": element " << element << " is " << s.got
           << ", expected " << s.exact << " within " << s.allowed;
      throw std::runtime_error(text.str());
    }
    largest = std::max(largest, error);
  }
  return largest;
}

void Turns::measure(const Case& c, double max_error, const Work& kernel, const Work& peak, const Work& read) {
  const bool in_memory = c.bytes > 0, in_registers = c.flops > 0;
  Contender mine(kernel, in_memory ? c.pieces : 0);
  std::vector<Contender> others;
  if (in_registers) others.emplace_back(peak, 0);
  if (in_memory) others.emplace_back(read, 1);
  for (int round = 0; round < options_.rounds(); ++round) {
    mine.take_turn();
    for (Contender& other : others) other.take_turn();
  }
  const double rate = median(mine.rates);
  Result result{.kernel = c.kernel, .isa = isa_, .dtype = dtype_, .shape = c.shape};
  result.microseconds = 1e6 / rate;
  result.rounds = options_.rounds();
  result.max_error = max_error;
  if (in_registers) {
    result.gflops = rate * c.flops * 1e-9;
    result.share_of_peak = share_of(others.front().rates, mine.rates, c.flops, result);
  }
  if (in_memory) {
    result.gbytes = rate * c.bytes * 1e-9;
    result.share_of_bandwidth = share_of(others.back().rates, mine.rates, c.bytes, result);
  }
  print_row(result);
  results_.push_back(result);
}

}  // namespace pyrnn::bench
