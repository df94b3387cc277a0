// SPDX-License-Identifier: Apache-2.0
#include "bindings/recurrent/stack_arguments.h"

#include "bindings/runtime/interrupt.h"
#include "core/runtime/isa.h"

#include <limits>
#include <map>
#include <set>

namespace pyrnn::bindings {
namespace {

// Weight counts are multiplied in Index: no matrix may come near its end.
void check_sizes(const StackShape& s) {
  constexpr double most = static_cast<double>(std::numeric_limits<Index>::max() / 64);
  constexpr Index widest = Index{1} << 40;
  const bool narrow = s.hidden < widest && s.input < widest;
  const double columns = narrow ? static_cast<double>(std::max(s.input, s.directions * s.output()) + 1) : most;
  const double weights = narrow ? static_cast<double>(s.gates() * s.hidden) * columns : most;
  require(weights < most && static_cast<double>(s.layers) * weights < most, "hidden_size: ", s.hidden,
          " with input_size ", s.input, " and num_layers ", s.layers, ", expected weights that fit the address space");
}

// The options of the cells that are given by name.
CellOptions read_options(const py::kwargs& given, const Cell& cell) {
  CellOptions options;
  std::set<std::string> unknown;
  for (const auto& [name, value] : given) unknown.insert(py::cast<std::string>(name));
  options.for_each([&](const std::string& name, auto& option, bool Cell::* allowed, double most) {
    if (!unknown.erase(name)) return;
    option = py::cast<std::remove_reference_t<decltype(option)>>(given[name.c_str()]);
    require(!option || !allowed || cell.*allowed, name, ": given, expected none for cell '", cell.name, "'");
    const double number = option;
    require(number >= 0 && number <= most, name, ": ", number, ", expected ", (most == 1 ? "0 to 1" : "at least 0"));
  });
  if (!unknown.empty()) throw py::type_error(*unknown.begin() + ": expected an option of the cells");
  return options;
}

}  // namespace

Stack make_stack(const std::string& cell, const std::string& dtype, py::ssize_t input_size, py::ssize_t hidden_size,
                 py::ssize_t num_layers, bool bidirectional, bool bias, py::ssize_t proj_size, double dropout,
                 const std::string& merge, bool reverse, const py::kwargs& options) {
  static const std::map<std::string, Merge> merges = {
      {"concat", Merge::concat}, {"sum", Merge::sum}, {"mul", Merge::mul}, {"average", Merge::average}};
  const Cell* const found = find_cell(cell);
  const auto merging = merges.find(merge);
  require(found != nullptr, "cell: '", cell, "', expected ", cell_names());
  require(dtype == "float32" || dtype == "float64", "dtype: '", dtype, "', expected float32 or float64");
  require(input_size >= 0, "input_size: ", input_size, ", expected at least 0");
  require(hidden_size >= 1, "hidden_size: ", hidden_size, ", expected at least 1");
  require(num_layers >= 1 && num_layers <= 1 << 20, "num_layers: ", num_layers, ", expected 1 to 1048576");
  require(proj_size >= 0 && proj_size < hidden_size, "proj_size: ", proj_size,
          ", expected 0 to hidden_size - 1 = ", hidden_size - 1);
  require(proj_size == 0 || found->may_project, "proj_size: ", proj_size, ", expected 0 for cell '", cell, "'");
  require(dropout >= 0 && dropout <= 1, "dropout: ", dropout, ", expected 0 to 1");
  require(merging != merges.end(), "merge: '", merge, "', expected concat, sum, mul or average");
  require(bidirectional || merging->second == Merge::concat, "merge: '", merge, "', expected concat for one direction");
  require(!(bidirectional && reverse), "reverse: true, expected false with bidirectional");
  const Stack stack{{.cell = found,
                     .input = input_size,
                     .hidden = hidden_size,
                     .layers = num_layers,
                     .directions = bidirectional ? 2 : 1,
                     .bias = bias,
                     .proj = proj_size,
                     .dropout = dropout,
                     .merge = merging->second,
                     .options = read_options(options, *found),
                     .reverse = reverse},
                    dtype == "float32"};
  check_sizes(stack.shape);
  return stack;
}

void require_plain(const Stack& stack) {
  require(stack.shape.context == 0, "Stack: attends to a memory, expected one that does not");
}

void check_same_stack(const Stack& stack, const Stack& other, const char* name) {
  require(stack.single == other.single && stack.shape == other.shape, name,
          ": made by a Stack of another configuration, expected one of this Stack");
}

namespace {

// Calls f(weight, name, its pointer in `of`) for all arrays that the caller has of a layer and direction.
template <class F, class... Of>
void for_each_array(const StackShape& shape, Index layer, Index direction, F&& f, Of&... of) {
  const std::string suffix = "_l" + std::to_string(layer) + (direction ? "_reverse" : "");
  const auto visit = [&](const auto& weight, auto&... in) {
    if (weight.name) f(weight, weight.name + suffix, in...);
  };
  constexpr Index kAnyLanes = 1;
  for_each_weight(shape, maps_of(shape, kAnyLanes), layer, visit, of...);
}

constexpr const char* kInitial[] = {"uniform", "ones", "zeros"};  // of Initial

template <WeightKind kind>
Shape shape_of(const Weight<kind>& weight) {
  return kind == WeightKind::matrix ? Shape{weight.rows, weight.columns} : Shape{weight.rows};
}

}  // namespace

py::list parameters_of(const Stack& stack) {
  py::list all;
  const auto add = [&](const auto& weight, const std::string& name) {
    py::list shape;
    for (const py::ssize_t size : shape_of(weight)) shape.append(size);
    all.append(py::make_tuple(name, py::tuple(shape), kInitial[static_cast<int>(weight.initial)]));
  };
  for (Index layer = 0; layer < stack.shape.layers; ++layer)
    for (Index direction = 0; direction < stack.shape.directions; ++direction)
      for_each_array(stack.shape, layer, direction, add);
  return all;
}

template <class T>
WeightArrays<T>::WeightArrays(const StackShape& shape, const py::list& arrays, const std::string& list) {
  using Element = std::remove_const_t<T>;
  const py::tuple given(arrays);
  std::size_t expected = 0;
  for_each_array(shape, 0, 0, [&](const auto&, const std::string&) { ++expected; });
  expected *= static_cast<std::size_t>(shape.layers * shape.directions);
  require(given.size() == expected, list, ": ", given.size(), " arrays, expected ", expected);
  pinned.reserve(expected);
  const auto take = [&](const auto& weight, const std::string& name, T*& pointer) {
    const std::string item = list + "[" + std::to_string(pinned.size()) + "]";
    pinned.push_back(
        require_array<Element>(given[pinned.size()], item, shape_of(weight), ("shape of " + name).c_str()));
    if constexpr (std::is_const_v<T>)
      pointer = data<Element>(pinned.back());
    else
      pointer = writeable_data<Element>(pinned.back(), item);
  };
  for (Index layer = 0; layer < shape.layers; ++layer)
    for (Index direction = 0; direction < shape.directions; ++direction) {
      Weights<T>& w = all.emplace_back();
      for_each_array(shape, layer, direction, take, w);
      w.w_hn = w.w_hh;
    }
}

namespace {

template <class T, class W>
SharedWeights<T, W> packed_as(const Stack& stack, const kernels::KernelTable& table, const py::list& arrays,
                              int threads) {
  const WeightArrays<const T> weights(stack.shape, arrays, "weights");
  SharedWeights<T, W> packed;
  without_gil([&] { packed = std::make_shared<PackedWeights<T, W>>(table, stack.shape, weights.all, threads); });
  return packed;
}

}  // namespace

py::object pack_weights(const Stack& stack, const py::list& arrays, int threads, const std::string& form) {
  checked_threads(threads);
  require(form.empty() || stack.shape.context == 0, "form: '", form, "', expected '' for a Stack with a memory");
  py::object object = new_object<Packed>();
  Packed& packed = initialised<Packed>(object);
  packed.stack = stack;
  packed.table = &active_kernels_for(stack.shape);
  with_form(stack.single, form,
            [&]<class T, class W>(T, W) { packed.weights = packed_as<T, W>(stack, *packed.table, arrays, threads); });
  return object;
}

template struct WeightArrays<float>;
template struct WeightArrays<const float>;
template struct WeightArrays<double>;
template struct WeightArrays<const double>;

}  // namespace pyrnn::bindings
