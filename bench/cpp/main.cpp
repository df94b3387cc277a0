// SPDX-License-Identifier: Apache-2.0
// pyrnn_bench: what the kernels reach of what the machine can do. Built with -DPYRNN_BENCH=ON.
#include <charconv>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>

#include "benchmarks.h"
#include "core/runtime/caches.h"
#include "core/runtime/compiler.h"
#include "core/runtime/fpenv.h"
#include "core/runtime/isa.h"

namespace pyrnn::bench {
namespace {

constexpr const char* kUsage =
    "pyrnn_bench kernels [--isa all|NAME] [--kernel NAME] [--quick] [--json FILE]\n"
    "  Times each kernel by turns with the peak of the multiply-adds and, where memory binds it, with a read-only sum\n"
    "  over as many bytes, after comparing it with a plain loop in double precision.\n"
    "pyrnn_bench count --isa NAME\n"
    "  Calls some of them once, for valgrind --tool=callgrind --cache-sim=yes, which writes a file of counts for "
    "each.\n"
    "pyrnn_bench compiler\n"
    "  Prints what compiled it.\n"
    "pyrnn_bench probe --isa NAME --dtype float32|float64 --bytes N --threads N\n"
    "  Answers each line 'r' of standard input with these two rates, measured now.\n"
    "pyrnn_bench stream --isa NAME --dtype float32|float64 --cell lstm|gru|rnn --hidden N --threads N\n"
    "  Answers each line 'r' with the seconds that a step of one sequence takes from C++, measured now.\n";

// --name value pairs; a flag's value is empty.
class Arguments {
 public:
  Arguments(int count, char** words, const std::set<std::string>& options, const std::set<std::string>& flags) {
    for (int i = 0; i < count; ++i) {
      const std::string word = words[i];
      const bool flag = flags.count(word) > 0;
      if (!flag && !options.count(word)) throw std::invalid_argument(word + ": unknown option\n" + kUsage);
      if (!flag && i + 1 == count) throw std::invalid_argument(word + ": no value, expected one");
      values_[word] = flag ? "" : words[++i];
    }
  }
  bool has(const std::string& name) const { return values_.count(name) > 0; }
  std::string text(const std::string& name, const std::string& otherwise) const {
    return has(name) ? values_.at(name) : otherwise;
  }
  std::string text(const std::string& name) const {
    if (!has(name)) throw std::invalid_argument(name + ": missing\n" + kUsage);
    return values_.at(name);
  }
  Index positive(const std::string& name) const {
    const std::string value = text(name);
    Index number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < 1)
      throw std::invalid_argument(name + ": '" + value + "', expected a positive integer");
    return number;
  }

 private:
  std::map<std::string, std::string> values_;
};

// Calls run with a number of the type that --dtype names.
template <class Run>
void with_dtype(const Arguments& arguments, Run&& run) {
  const std::string dtype = arguments.text("--dtype");
  if (dtype == "float32")
    run(float());
  else if (dtype == "float64")
    run(double());
  else
    throw std::invalid_argument("--dtype: '" + dtype + "', expected float32 or float64");
}

void probe(const Arguments& arguments) {
  const Probe& probe = probe_of(arguments.text("--isa"));
  const Index bytes = arguments.positive("--bytes"), threads = arguments.positive("--threads");
  with_dtype(arguments, [&]<class T>(T) { serve_probe<T>(probe, bytes, threads); });
}

Cell cell_of(const Arguments& arguments) {
  const std::string name = arguments.text("--cell");
  for (const Cell cell : kCells)
    if (name == name_of(cell)) return cell;
  throw std::invalid_argument("--cell: '" + name + "', expected lstm, gru or rnn");
}

void stream(const Arguments& arguments) {
  set_active_isa(arguments.text("--isa"));
  const Cell cell = cell_of(arguments);
  const Index hidden = arguments.positive("--hidden"), threads = arguments.positive("--threads");
  with_dtype(arguments, [&]<class T>(T) { serve_stream<T>(cell, hidden, static_cast<int>(threads)); });
}

template <class T>
void run_all(const Probe& probe, const Options& options, std::vector<Result>& results) {
  Bench<T> bench(active_kernels(), probe, options, results);
  bench_matrix_kernels(bench);
  bench_steps(bench);
  bench_elementwise(bench);
  bench_stream(bench);
}

void kernels(const Arguments& arguments) {
  const Options options{.quick = arguments.has("--quick"), .only = arguments.text("--kernel", "")};
  const std::string isa = arguments.text("--isa", "all"), path = arguments.text("--json", "");
  std::ofstream file(path);  // opened now: a path that cannot be written is not found out after minutes
  if (!path.empty() && !file) throw std::invalid_argument("--json: cannot write " + path);
  const ScopedFloatControl flush(kFlushDenormals);  // as in every call of the library
  std::vector<Result> results;
  print_header();
  for (const std::string& name : isa == "all" ? available_isas() : std::vector<std::string>{isa}) {
    const Probe& probe = probe_of(name);
    run_all<float>(probe, options, results);
    run_all<double>(probe, options, results);
  }
  if (results.empty()) throw std::invalid_argument("--kernel: no kernel is called '" + options.only + "'");
  if (!path.empty()) write_json(file, results);
}

// The thresholds are those of the caches that bench/guard.py lets callgrind have, on every machine.
void count_all(const Arguments& arguments) {
  const Probe& probe = probe_of(arguments.text("--isa"));
  set_cache_sizes(kernels::kCommonCaches);
  const ScopedFloatControl flush(kFlushDenormals);
  std::vector<Result> none;
  Bench<float> bench(active_kernels(), probe, {.quick = true, .counts = true, .only = {}}, none);
  bench_matrix_kernels(bench);
  bench_steps(bench);
  bench_stream(bench);
  count_layers(active_kernels());
}

void run(int count, char** words) {
  const std::string command = count > 1 ? words[1] : "";
  if (command == "probe")
    probe(Arguments(count - 2, words + 2, {"--isa", "--dtype", "--bytes", "--threads"}, {}));
  else if (command == "stream")
    stream(Arguments(count - 2, words + 2, {"--isa", "--dtype", "--cell", "--hidden", "--threads"}, {}));
  else if (command == "compiler")
    std::puts(kCompiler);
  else if (command == "count")
    count_all(Arguments(count - 2, words + 2, {"--isa"}, {}));
  else if (command == "kernels")
    kernels(Arguments(count - 2, words + 2, {"--isa", "--kernel", "--json"}, {"--quick"}));
  else
    throw std::invalid_argument(command.empty() ? kUsage : command + ": unknown command\n" + kUsage);
}

}  // namespace
}  // namespace pyrnn::bench

int main(int count, char** words) {
  try {
    pyrnn::bench::run(count, words);
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "pyrnn_bench: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pyrnn_bench: %s\n", error.what());
    return 1;
  }
}
