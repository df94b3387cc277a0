// SPDX-License-Identifier: Apache-2.0
// What Python holds of the recurrent core: one object each, whose element type is known at run time.
#pragma once

#include <atomic>
#include <memory>
#include <variant>

#include "bindings/runtime/arguments.h"
#include "bindings/runtime/initialised.h"
#include "core/recurrent/stream.h"
#include "core/recurrent/tape.h"

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
  py::object kept;  // referenced, since the backward pass reads it: x, and what a decoder attends to
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

// (name, shape, initial values) of each weight, in the order in which weights_of takes them: that of torch.
py::list parameters_of(const Stack& stack);

// The caller's arrays of all layers and directions, checked. T const for reading, T for adding gradients.
template <class T>
std::vector<Weights<T>> weights_of(const StackShape& shape, const py::list& arrays, const std::string& list);

Stack make_stack(const std::string& cell, const std::string& dtype, py::ssize_t input_size, py::ssize_t hidden_size,
                 py::ssize_t num_layers, bool bidirectional, bool bias, py::ssize_t proj_size, double dropout,
                 const std::string& merge, const py::kwargs& options);

// Refuses a stack that attends to a memory, for calls that have none.
void require_plain(const Stack& stack);

void check_same_stack(const Stack& stack, const Stack& other, const char* name);

}  // namespace pyrnn::bindings

namespace pybind11::detail {
template <>
struct type_caster<pyrnn::bindings::Stack> : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::Stack> {};
template <>
struct type_caster<pyrnn::bindings::Packed> : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::Packed> {};
template <>
struct type_caster<pyrnn::bindings::SavedForward> : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::SavedForward> {
};
template <>
struct type_caster<pyrnn::bindings::Gradients> : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::Gradients> {};
template <>
struct type_caster<pyrnn::bindings::StreamObject> : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::StreamObject> {
};
}  // namespace pybind11::detail
