// SPDX-License-Identifier: Apache-2.0
// Recurrent layers: inference, streams, training.
#include <deque>
#include <memory>

#include "calls.h"
#include "core/recurrent/forward.h"
#include "core/recurrent/step_chain.h"
#include "core/recurrent/stream.h"
#include "core/recurrent/tape.h"
#include "core/runtime/isa.h"

namespace pyrnn::driver {
namespace {

// A pointer for each weight of a stack, in arrays that `fill` makes; no part of a matrix is an array by itself.
template <class T, class Pointed, class Fill>
std::vector<Weights<Pointed>> weights_of(const StackShape& shape, std::deque<std::vector<T>>& arrays, Fill&& fill) {
  std::vector<Weights<Pointed>> all;
  for (Index layer = 0; layer < shape.layers; ++layer) {
    for (Index direction = 0; direction < shape.directions; ++direction) {
      Weights<Pointed> of{};
      const auto make = [&](const auto& weight, Pointed*& pointer) {
        if (weight.name) arrays.push_back(fill(weight.rows * larger(weight.columns, 1)));
        pointer = arrays.back().data();
      };
      for_each_weight(shape, maps_of(shape, 4), layer, make, of);
      all.push_back(of);
    }
  }
  return all;
}

struct Options {
  const char* name;
  const char* cell;
  CellOptions of_cell = {};
  bool projects = false;
};
const Options kOptions[] = {
    {"rnn_relu", "rnn_relu"},
    {"lstm", "lstm"},
    {"lstm of all options",
     "lstm",
     {.peephole = true, .coupled_gates = true, .cell_clip = 0.4, .zoneout = 0.2, .recurrent_dropout = 0.3},
     true},
    {"lstm with layer norm", "lstm", {.layer_norm = true, .zoneout_cell = 0.2}},
    {"gru", "gru"},
    {"gru with layer norm", "gru", {.layer_norm = true, .single_bias = true}},
    {"gru_reset_before", "gru_reset_before"},
};

enum class Rows { uniform, ragged, reset };
constexpr const char* kRowsNames[] = {"", ", ragged", ", with resets"};

// A stack with its weights, and arrays for one batch.
template <class T>
struct Problem {
  Problem(const Options& options, const Sizes& sizes, Index directions, Rows rows_in)
      : T_(sizes.steps),
        B(sizes.rows),
        shape{.cell = find_cell(options.cell),
              .input = sizes.inputs,
              .hidden = sizes.units,
              .layers = 2,
              .directions = directions,
              .bias = true,
              .proj = options.projects ? sizes.units - 2 : 0,
              .dropout = 0.2,
              .options = options.of_cell},
        rows(rows_in),
        weights(weights_of<T, const T>(
            shape, arrays,
            [&](Index count) { return numbers<T>(count, 1 / std::sqrt(static_cast<double>(sizes.units))); })),
        x(numbers<T>(T_ * B * shape.input)),
        h0(numbers<T>(states() * shape.output())),
        c0(numbers<T>(states() * shape.hidden)),
        dy(numbers<T>(T_ * B * shape.layer_output())),
        dhn(numbers<T>(states() * shape.output())),
        lengths(ragged(T_, B)) {
    for (Index step = 0; step < T_; ++step)
      for (Index row = 0; row < B; ++row) resets.push_back((step + row) % 4 == 1);
  }

  Index states() const { return shape.layers * shape.directions * B; }
  Batch batch() const {
    return Batch(T_, B, rows == Rows::uniform ? nullptr : lengths.data(),
                 rows == Rows::reset ? Resets{resets.data(), false} : Resets{});
  }
  template <class W>
  std::shared_ptr<const PackedWeights<T, W>> pack(int threads) const {
    return std::make_shared<const PackedWeights<T, W>>(active_kernels(), shape, weights, threads);
  }

  struct Outputs {
    explicit Outputs(const Problem& of)
        : y(zeros<T>(of.T_ * of.B * of.shape.layer_output())),
          hn(zeros<T>(of.states() * of.shape.output())),
          cn(zeros<T>(of.shape.has_c() ? of.states() * of.shape.hidden : 0)) {}
    Bytes bytes() const { return Bytes() << y << hn << cn; }
    std::vector<T> y, hn, cn;
  };
  Sequences<T> sequences(Outputs& out) const {
    return {.x = x.data(),
            .x_strides = {B * shape.input, shape.input},
            .h0 = h0.data(),
            .c0 = shape.has_c() ? c0.data() : nullptr,
            .y = out.y.data(),
            .hn = out.hn.data(),
            .cn = shape.has_c() ? out.cn.data() : nullptr};
  }

  template <class W>
  Bytes infer(int threads) const {
    Outputs out(*this);
    forward<T, W>(shape, *pack<W>(threads), batch(), sequences(out), threads, nullptr);
    return out.bytes();
  }

  // Step by step; rows of the same length.
  template <class W>
  Bytes stream(int threads) const {
    Outputs out(*this);
    const auto layers = std::make_shared<Stream<T, W>>(shape, pack<W>(threads), B, threads);
    StepChain<T> chain({layers}, {}, B);
    layers->store_state(h0.data(), c0.data());
    for (Index step = 0; step < T_; ++step) {
      chain.choose({.x = x.data() + step * B * shape.input, .x_row = shape.input});
      chain.make(out.y.data() + step * B * shape.output());
      chain.keep();
    }
    layers->load_state(out.hn.data(), shape.has_c() ? out.cn.data() : nullptr);
    return out.bytes();
  }

  Bytes train(Index recompute_every, int threads) const {
    Outputs out(*this);
    const auto tape =
        forward_train<T>(shape, pack<T>(threads), batch(), sequences(out),
                         {.key = DropoutKey{5, 6}, .recompute_every = recompute_every, .threads = threads}, nullptr);
    auto dx = zeros<T>(T_ * B * shape.input), dh0 = zeros<T>(states() * shape.output());
    auto dc0 = zeros<T>(shape.has_c() ? states() * shape.hidden : 0);
    const SequenceGradients<T> gradients{.dy = dy.data(),
                                         .dy_strides = {B * shape.layer_output(), shape.layer_output()},
                                         .dhn = dhn.data(),
                                         .dcn = nullptr,
                                         .dcells = nullptr,
                                         .dcells_strides = {},
                                         .dx = dx.data(),
                                         .dh0 = dh0.data(),
                                         .dc0 = shape.has_c() ? dc0.data() : nullptr};
    std::deque<std::vector<T>> of_weights;
    const auto pointers = weights_of<T, T>(shape, of_weights, zeros<T>);
    backward<T>(*tape, weights, gradients, threads, nullptr)->add_to(pointers);
    Bytes bytes = out.bytes() << dx << dh0 << dc0;
    for (const std::vector<T>& gradient : of_weights) bytes << gradient;
    return bytes;
  }

  const Index T_, B;
  const StackShape shape;
  const Rows rows;
  std::deque<std::vector<T>> arrays;
  const std::vector<Weights<const T>> weights;
  const std::vector<T> x, h0, c0, dy, dhn;
  const std::vector<std::int64_t> lengths;
  std::vector<std::uint8_t> resets;
};

template <class T>
void add_stack(std::vector<Call>& calls, const Options& options, const Sizes& sizes, Index directions, Rows rows) {
  const auto problem = std::make_shared<const Problem<T>>(options, sizes, directions, rows);
  const std::string name = std::string(options.name) + (sizeof(T) == 4 ? ", float" : ", double") +
                           (directions == 2 ? ", bidirectional" : "") + kRowsNames[static_cast<int>(rows)];
  const auto add = [&](const std::string& what, auto&& run, const std::string& equals = {}) {
    calls.push_back({what + " " + name, run, equals.empty() ? equals : equals + " " + name});
  };
  const bool streams = directions == 1 && rows == Rows::uniform;
  add("inference", [problem](int threads) { return problem->template infer<T>(threads); });
  if (streams) add("stream", [problem](int threads) { return problem->template stream<T>(threads); }, "inference");
  if constexpr (sizeof(T) == 4) {
    using kernels::Bf16, kernels::Int8;
    add("bf16 inference", [problem](int threads) { return problem->template infer<Bf16>(threads); });
    add("int8 inference", [problem](int threads) { return problem->template infer<Int8>(threads); });
    if (streams) {
      add("bf16 stream", [problem](int threads) { return problem->template stream<Bf16>(threads); }, "bf16 inference");
      add("int8 stream", [problem](int threads) { return problem->template stream<Int8>(threads); }, "int8 inference");
    }
  }
  add("training", [problem](int threads) { return problem->train(0, threads); });
  add("recomputing training", [problem](int threads) { return problem->train(1, threads); }, "training");
}

}  // namespace

void add_layers(std::vector<Call>& calls, const Sizes& sizes) {
  for (const Options& options : kOptions) {
    for (const Index directions : {1, 2}) {
      for (const Rows rows : {Rows::uniform, Rows::ragged, Rows::reset}) {
        add_stack<float>(calls, options, sizes, directions, rows);
        add_stack<double>(calls, options, sizes, directions, rows);
      }
    }
  }
}

}  // namespace pyrnn::driver
