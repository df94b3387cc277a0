// SPDX-License-Identifier: Apache-2.0
// Calls of the core without Python: for sanitizers, for machines without it, and to compare compilers.
//
//   driver [small] [isas=avx2,baseline] [threads=2] [callers=3]
//
// Each call is made alone on one thread, then with teams of `threads`, then by several callers at once, on each
// instruction set that the CPU has: always the same bytes. `small`: sizes that are not worth a team. Prints the number
// of comparisons and a number made of all bytes, by which builds are compared; the exit status is 1 for a difference.
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <string_view>
#include <thread>

#include "calls.h"
#include "core/runtime/isa.h"
#include "core/runtime/parallel.h"

namespace {

using namespace pyrnn;
using driver::Bytes, driver::Call;

std::atomic<long> comparisons{0}, differences{0};

void expect(const Bytes& got, const Bytes& expected, const std::string& name, const char* how) {
  comparisons.fetch_add(1);
  if (got == expected) return;
  differences.fetch_add(1);
  std::printf("%s: %s: other bytes than on one thread\n", name.c_str(), how);
}

// FNV-1a.
constexpr std::uint64_t kNoBytes = 0xcbf29ce484222325;
std::uint64_t digest(std::uint64_t of, const Bytes& bytes) {
  for (const unsigned char byte : bytes) of = (of ^ byte) * 0x100000001b3;
  return of;
}

struct Settings {
  bool small = false;
  int threads = 2, callers = 3;
  std::string isas;
};

// On a thread of its own: one that has waited for busy cores takes no team for a while.
template <class F>
void on_new_thread(F&& f) {
  std::thread(f).join();
}

std::uint64_t check(const std::vector<Call>& calls, const Settings& settings) {
  std::map<std::string, Bytes> alone;
  std::uint64_t all = kNoBytes;
  for (const Call& call : calls) {
    const Bytes& bytes = alone[call.name] = call.run(1);
    all = digest(all, bytes);
    if (!call.equals.empty()) expect(bytes, alone.at(call.equals), call.name, call.equals.c_str());
  }
  if (settings.threads > 1)
    for (const Call& call : calls)
      on_new_thread([&] { expect(call.run(settings.threads), alone.at(call.name), call.name, "in a team"); });
  std::vector<std::thread> callers;
  for (int caller = 0; caller < settings.callers; ++caller) {
    callers.emplace_back([&, caller] {
      for (const Call& call : calls)
        expect(call.run(1 + caller % settings.threads), alone.at(call.name), call.name, "beside other callers");
    });
  }
  for (std::thread& caller : callers) caller.join();
  return all;
}

bool take(std::string_view word, std::string_view name, std::string_view& value) {
  if (word.substr(0, name.size()) != name) return false;
  value = word.substr(name.size());
  return true;
}

bool read(int count, char** words, Settings& settings) {
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    std::string_view value;
    if (word == "small") {
      settings.small = true;
    } else if (take(word, "isas=", value)) {
      settings.isas = value;
    } else if (take(word, "threads=", value)) {
      settings.threads = std::atoi(value.data());
    } else if (take(word, "callers=", value)) {
      settings.callers = std::atoi(value.data());
    } else {
      return false;
    }
  }
  return settings.threads > 0 && settings.callers >= 0;
}

}  // namespace

int main(int count, char** words) {
  Settings settings;
  if (!read(count, words, settings)) return std::puts("driver [small] [isas=a,b] [threads=2] [callers=3]"), 2;
  set_openmp_default(0);
  std::vector<Call> calls;
  const driver::Sizes& sizes = settings.small ? driver::kSmall : driver::kLarge;
  driver::add_layers(calls, sizes);
  driver::add_operations(calls, sizes);
  int sets = 0;
  for (const std::string& isa : available_isas()) {
    if (!settings.isas.empty() && ("," + settings.isas + ",").find("," + isa + ",") == std::string::npos) continue;
    set_active_isa(isa);
    const std::uint64_t bytes = check(calls, settings);
    std::printf("%s %016" PRIx64 "\n", isa.c_str(), bytes);
    if (bool& vnni = *active_kernels().has_vnni; vnni) {  // as on a CPU of this set that has none
      vnni = false;
      std::uint64_t without = kNoBytes;
      for (const Call& call : calls) without = digest(without, call.run(1));
      comparisons.fetch_add(1);
      if (without != bytes) differences.fetch_add(1), std::printf("%s: other bytes without VNNI\n", isa.c_str());
    }
    ++sets;
  }
  std::printf("%zu calls, %d instruction sets, %ld comparisons, %ld differences\n", calls.size(), sets,
              comparisons.load(), differences.load());
  return sets == 0 || differences.load() > 0;
}
