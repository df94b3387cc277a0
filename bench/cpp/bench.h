// SPDX-License-Identifier: Apache-2.0
// How a kernel is measured. A benchmark fills arrays, and hands bench.run()
//
//   what it is     its name, its shape, and how much work it is on how many bytes
//   call(piece)    the kernel's call for one of the pieces that it is divided into (one panel, say)
//   sample(i)      element i of the result as the kernel made it, and as a plain loop in double precision makes it
//
// run() makes every piece once, compares, and only then times: in slices of 1.5 ms, by turns with the peak of the
// multiply-adds and, if bytes are given, with reading as many bytes. A neighbour on the machine may halve the clock for
// seconds, which both then see alike; so the share is the median over rounds of kernel over peak in the same round.
#pragma once

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "array.h"
#include "count.h"
#include "kernels/kernels.h"
#include "probe.h"
#include "report.h"

namespace pyrnn::bench {

struct Options {
  bool quick = false;
  bool counts = false;  // rather than times: the cases of count.h
  std::string only;  // the name of a kernel; empty: all
  int rounds() const { return quick ? 5 : 15; }
  std::vector<Index> hidden_sizes() const { return quick ? Sizes{64, 256} : Sizes{64, 128, 256, 512, 1024}; }
  std::vector<Index> rows() const { return quick ? Sizes{1, 32} : Sizes{1, 8, 16, 32, 64, 128}; }

 private:
  using Sizes = std::vector<Index>;
};

struct Case {
  std::string kernel;
  std::string shape;
  Index pieces = 1;
  std::vector<double> work_of_piece = {};  // relative to each other; empty: all alike
  double flops = 0;  // of all pieces together; 0: not counted
  double bytes = 0;  // of the data that all pieces touch, where memory binds them; 0: elsewhere
};

struct Sample {
  double got, exact, allowed;
};

// Does `calls` calls and returns how much that was, in a unit of its own.
using Work = std::function<double(Index calls)>;

// The part that knows nothing of what is measured.
class Turns {
 public:
  Turns(std::string isa, std::string dtype, Options options, std::vector<Result>& results)
      : isa_(std::move(isa)), dtype_(std::move(dtype)), options_(std::move(options)), results_(results) {}
  const Options& options() const { return options_; }
  bool wants(const std::string& kernel) const { return options_.only.empty() || options_.only == kernel; }

 protected:
  // The largest error of up to 1024 elements spread over all; throws if one is larger than allowed.
  double compare(const Case& c, Index elements, const std::function<Sample(Index)>& sample) const;
  // kernel: in cases per call; peak: in flops; read: in bytes.
  void measure(const Case& c, double max_error, const Work& kernel, const Work& peak, const Work& read);

 private:
  std::string isa_, dtype_;
  Options options_;
  std::vector<Result>& results_;
};

template <class T>
class Bench : public Turns {
 public:
  const kernels::KernelTable& table;
  const kernels::Kernels<T>& k;

  Bench(const kernels::KernelTable& table_in, const Probe& probe, Options options, std::vector<Result>& results)
      : Turns(table_in.name, sizeof(T) == 4 ? "float32" : "float64", std::move(options), results),
        table(table_in),
        k(kernels::of_type<T>(table_in)),
        read_(of_type<T>(probe)) {}

  template <class Call, class ToSample>
  void run(const Case& c, Call&& call, Index elements, ToSample&& sample) {
    const auto call_all = [&] {
      for (Index piece = 0; piece < c.pieces; ++piece) call(piece);
    };
    if (options().counts) {
      const std::string name = c.kernel + " " + c.shape;
      if (std::ranges::count(counted(), name)) count_call(name, call_all);
      return;
    }
    if (!wants(c.kernel)) return;
    call_all();
    const double error = compare(c, elements, sample);
    const std::vector<double> work = parts_of_whole(c);
    // A slice goes on with the piece where the one before ended.
    const Work kernel = [&, piece = Index{0}](Index calls) mutable {
      double done = 0;
      for (; calls > 0; --calls) {
        call(piece);
        done += work[static_cast<std::size_t>(piece)];
        if (++piece == c.pieces) piece = 0;
      }
      return done;
    };
    const Work peak = [&](Index rounds) {
      k.peak.multiply_add(rounds);
      return k.peak.flops_of_round * static_cast<double>(rounds);
    };
    const Array<T> data(static_cast<Index>(c.bytes) / static_cast<Index>(sizeof(T)));
    const Work read = [&](Index passes) {
      read_(data, data.count(), passes);
      return static_cast<double>(data.count() * passes) * sizeof(T);
    };
    measure(c, error, kernel, peak, read);
  }

 private:
  static std::vector<double> parts_of_whole(const Case& c) {
    std::vector<double> parts = c.work_of_piece;
    parts.resize(static_cast<std::size_t>(c.pieces), 1.0);
    const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
    for (double& part : parts) part /= sum;
    return parts;
  }

  const Read<T> read_;
};

}  // namespace pyrnn::bench
