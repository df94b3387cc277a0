// SPDX-License-Identifier: Apache-2.0
// The Python objects of the recurrent core. The element type of each is known at run time.
#pragma once

#include <memory>
#include <variant>

#include "bindings/runtime/arguments.h"
#include "bindings/runtime/initialised.h"
#include "bindings/runtime/of_weights.h"
#include "core/recurrent/step_chain.h"
#include "core/recurrent/stream.h"
#include "core/recurrent/tape.h"
#include "core/runtime/forks.h"

namespace pyrnn::bindings {

// The axes of a call's sequences: (T, B, columns), or packed rows (R, columns).
struct SequenceAxes {
  py::ssize_t steps, rows;
  std::optional<py::ssize_t> packed = std::nullopt;  // R
  Shape with(py::ssize_t columns) const { return packed ? Shape{*packed, columns} : Shape{steps, rows, columns}; }
};

// A sequence array whose columns lie side by side, its steps and rows anyhow.
template <class T>
Pinned require_rows(py::handle value, const std::string& name, py::ssize_t ndim) {
  Pinned array(require_ndarray(value, name));
  require_dtype<T>(array, name);
  require(array.ndim() == ndim, name, ": shape ", array, ", expected ", ndim, " axes");
  require(has_whole_rows(array), name, ": its columns are not contiguous, expected aligned rows of contiguous columns");
  return array;
}

template <class T>
std::optional<Pinned> optional_rows(py::handle value, const std::string& name, const Shape& shape,
                                    const char* meaning) {
  if (value.is_none()) return std::nullopt;
  Pinned array = require_rows<T>(value, name, static_cast<py::ssize_t>(shape.size()));
  require_shape(array, name, shape, meaning);
  return array;
}

// Before which steps rows begin again. Read as bytes: a bool array's elements may have other values than 0 and 1.
inline std::optional<Pinned> optional_resets(py::handle value, const Shape& shape, const char* meaning) {
  return optional_array<bool>(value, "resets", shape, meaning);
}
inline const std::uint8_t* flags(const std::optional<Pinned>& array) {
  return array ? static_cast<const std::uint8_t*>(array->data()) : nullptr;
}

// Those of an axis of one element mean nothing: what makes the rows evenly spaced.
inline Strides evenly_spaced(Strides strides, Index steps, Index rows, Index columns) {
  if (steps == 1 && rows == 1) return {columns, columns};
  if (rows == 1) strides.row = strides.step;
  if (steps == 1) strides.step = rows * strides.row;
  return strides;
}

template <class T>
Strides strides_of(const py::array& array) {
  constexpr py::ssize_t size = sizeof(T);
  if (array.ndim() == 2) return {0, array.shape(0) == 1 ? array.shape(1) : array.strides(0) / size};
  return evenly_spaced({array.strides(0) / size, array.strides(1) / size}, array.shape(0), array.shape(1),
                       array.shape(2));
}

template <class T>
Strides strides_of(const std::optional<Pinned>& array) {
  return array ? strides_of<T>(*array) : Strides{0, 0};
}

// One of the two element types; std::visit calls the code of the right one.
template <template <class> class Of>
using OfEither = std::variant<std::unique_ptr<Of<float>>, std::unique_ptr<Of<double>>>;

struct Stack {
  StackShape shape;
  bool single;  // float32
};

template <class F>
auto with_type(bool single, F&& f) {
  return single ? f(float{}) : f(double{});
}

template <class T, class W = T>
using SharedWeights = std::shared_ptr<PackedWeights<T, W>>;

struct Packed {
  Stack stack;
  OfWeights<PackedWeights> weights;
  const kernels::KernelTable* table;  // whose layout they have
};

struct SavedForward {
  Stack stack;
  py::object kept;  // referenced, since the backward pass reads it: x, and what a decoder attends to
  SequenceAxes axes;
  OfEither<Tape> tape;
};

struct Gradients {
  Stack stack;
  OfEither<WeightGradients> gradients;
  py::object memory;  // what they point into, if it is the caller's
};

// What streams of a layer and of a model share: the chain of a step, and whose it is in messages.
struct SteppedObject {
  std::string owner;
  OfEither<StepChain> chain;  // null: the steps of a model with parts that the core does not know
  InUse busy;
};
struct StreamObject : SteppedObject {
  StreamObject(const Stack& of, const Packed& packed, py::ssize_t batch_size, int threads);
  Stack stack;
  OfWeights<Stream> stream;  // the only part of the chain
};
// parts: a list of descriptions (register_model_stream.cpp), or None.
struct ModelStreamObject : SteppedObject {
  ModelStreamObject(const std::string& of, const py::object& parts, const std::string& dtype, py::ssize_t batch_size,
                    int threads);
  std::vector<Pinned> kept;  // weights that the parts read where they lie
};

// (name, shape, initial values) of each weight, in the order in which weights_of takes them: that of torch.
py::list parameters_of(const Stack& stack);

// The caller's arrays of all layers and directions, checked. T const for reading, T for adding gradients.
template <class T>
struct WeightArrays {
  WeightArrays(const StackShape& shape, const py::list& arrays, const std::string& list);
  std::vector<Pinned> pinned;  // what `all` points into, whatever another thread does with the list
  std::vector<Weights<T>> all;
};

// The caller's weights in the kernels' layout, a Packed, the matrices in a form (with_form).
py::object pack_weights(const Stack& stack, const py::list& arrays, int threads, const std::string& form = "");

Stack make_stack(const std::string& cell, const std::string& dtype, py::ssize_t input_size, py::ssize_t hidden_size,
                 py::ssize_t num_layers, bool bidirectional, bool bias, py::ssize_t proj_size, double dropout,
                 const std::string& merge, bool reverse, const py::kwargs& options);

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
template <>
struct type_caster<pyrnn::bindings::ModelStreamObject>
    : pyrnn::bindings::InitialisedCaster<pyrnn::bindings::ModelStreamObject> {};
}  // namespace pybind11::detail
