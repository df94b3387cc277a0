// SPDX-License-Identifier: Apache-2.0
// What Python holds of the recurrent core: one object each, whose element type is known at run time.
#pragma once

#include <atomic>
#include <memory>
#include <variant>

#include "bindings/arguments.h"
#include "core/stack.h"
#include "core/stream.h"

namespace pyrnn::bindings {

// One of the two element types; std::visit calls the code of the right one.
template <template <class> class Of>
using OfEither = std::variant<std::unique_ptr<Of<float>>, std::unique_ptr<Of<double>>>;

struct Stack {
  StackShape shape;
  bool single;  // float32
};

struct Packed {
  Stack stack;
  std::variant<std::shared_ptr<const PackedWeights<float>>, std::shared_ptr<const PackedWeights<double>>> weights;
};

struct SavedForward {
  Stack stack;
  py::object x;  // referenced, since the backward pass reads it
  py::ssize_t steps, rows;
  OfEither<Tape> tape;
};

struct Gradients {
  Stack stack;
  OfEither<WeightGradients> gradients;
};

struct StreamObject {
  Stack stack;
  OfEither<Stream> stream;
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
};

// The caller's arrays of all layers and directions, checked. T const for reading, T for adding gradients.
template <class T>
std::vector<Weights<T>> weights_of(const StackShape& shape, const py::list& arrays, const std::string& name);

Stack make_stack(const std::string& cell, const std::string& dtype, py::ssize_t input_size, py::ssize_t hidden_size,
                 py::ssize_t num_layers, bool bidirectional, bool bias, py::ssize_t proj_size, double dropout,
                 const std::string& merge, const py::kwargs& options);

void check_same_stack(const Stack& stack, const Stack& other, const char* name);

void register_stream(py::module_& m);

}  // namespace pyrnn::bindings
