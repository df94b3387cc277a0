// SPDX-License-Identifier: Apache-2.0
// A recurrent layer that attends to a memory: check every array again, release the GIL, call the core once.
#include "bindings/operations/attention.h"
#include "bindings/operations/linear.h"
#include "bindings/recurrent/pass_arguments.h"

namespace pyrnn::bindings {
namespace {

// A stack of one layer and direction whose input ends with `context` columns that attention makes.
Stack attending(const Stack& stack, py::ssize_t context) {
  const StackShape& s = stack.shape;
  require(s.layers == 1 && !s.reads_backwards() && s.proj == 0,
          "attending: needs a Stack of one layer and the forward direction, without projection");
  require(s.options == CellOptions{}, "attending: needs a Stack without options of the cell");
  require(context >= 1 && context < Index{1} << 31, "context: ", context, ", expected 1 to 2**31 - 1");
  Stack result = stack;
  result.shape.context = context;
  return result;
}

template <class T>
struct AttendingCall : ForwardCall<T> {
  AttendingCall(const Stack& stack, const Packed& packed, const MemoryObject& object,
                const PackedLinearObject* query_in, const ForwardArguments& given)
      : ForwardCall<T>(stack, packed, given),
        memory(memory_of<T>(object)),
        contexts(this->sequence(memory.value_size)),
        attention(this->sequence(memory.layout.steps)),
        queries(query_in ? this->sequence(memory.key_size) : Shape{0}) {
    const Index H = stack.shape.hidden;
    require(memory.layout.rows == this->axes.rows && memory.value_size == stack.shape.context,
            "memory: of other rows or value_size, expected those of x and the Stack");
    const PackedLinear<T>* query = nullptr;
    if (query_in) {
      const auto* linear = std::get_if<std::shared_ptr<PackedLinear<T, T>>>(&query_in->linear);
      require(linear && (*linear)->inputs() == H && (*linear)->outputs() == memory.key_size,
              "query: of another dtype or size, expected (key_size, hidden_size)");
      query = linear->get();
    }
    require(query || memory.key_size == H, "memory: key_size ", memory.key_size, ", expected hidden_size ", H,
            " without query");
    this->sequences.attended = {&memory, query, queries.data(), attention.data(), contexts.data()};
  }
  void clear() {
    this->clear_padding();
    std::memset(this->sequences.attended.weights, 0, attention.bytes);
    if (!this->batch.padded()) return;
    std::memset(this->sequences.attended.contexts, 0, contexts.bytes);
    std::memset(this->sequences.attended.queries, 0, queries.bytes);
  }

  const Memory<T>& memory;
  NewArray<T> contexts, attention, queries;
};

// (y, hn, cn or None, contexts, weights)
py::tuple run_attend(const Stack& stack, const Packed& packed, const MemoryObject& memory,
                     const PackedLinearObject* query, py::handle x, py::handle h0, py::handle c0, py::handle lengths,
                     int threads) {
  checked_threads(threads);
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    AttendingCall<T> call(stack, packed, memory, query, {x, h0, c0, lengths, false});
    without_gil([&] {
      call.clear();
      forward<T>(stack.shape, *call.weights_of_type(), call.batch, call.sequences, threads, interrupted);
    });
    return py::make_tuple(call.y.array, call.hn.array, call.cell_state(), call.contexts.array, call.attention.array);
  });
}

// The same, and Saved.
py::tuple run_attend_train(const Stack& stack, const Packed& packed, const MemoryObject& memory,
                           const PackedLinearObject* query, py::handle x, py::handle h0, py::handle c0,
                           py::handle lengths, int threads) {
  checked_threads(threads);
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    AttendingCall<T> call(stack, packed, memory, query, {x, h0, c0, lengths, false});
    py::object saved = new_object<SavedForward>();
    std::unique_ptr<Tape<T>> tape;
    without_gil([&] {
      call.clear();
      tape = forward_train<T>(stack.shape, call.weights_of_type(), call.batch, call.sequences,
                              {std::nullopt, 0, threads}, interrupted);
    });
    const auto reference = py::return_value_policy::reference;
    const auto pinned = [](const py::array& array) { return py::make_tuple(array, weak_reference(array)); };
    py::object kept = kept_with(call.x, py::cast(&memory, reference), py::cast(query, reference),
                                pinned(call.queries.array), pinned(call.attention.array));
    initialised<SavedForward>(saved) = {stack, std::move(kept), call.axes, std::move(tape)};
    return py::make_tuple(call.y.array, call.hn.array, call.cell_state(), call.contexts.array, call.attention.array,
                          saved);
  });
}

// (dx or None, dh0, dc0 or None, dqueries or None, dkeys, dvalues, dv or None, Gradients)
py::tuple run_attend_backward(const Stack& stack, SavedForward& from, const py::list& arrays, py::handle w_query_in,
                              py::handle dy, py::handle dcontexts_in, py::handle dhn, py::handle dcn, bool need_dx,
                              int threads) {
  checked_threads(threads);
  require(stack.shape.context > 0, "Stack: attends to no memory, expected one made by attending()");
  check_same_stack(stack, from.stack, "saved");
  return with_type(stack.single, [&](auto type) -> py::tuple {
    using T = decltype(type);
    Unspent<T> saved(from);
    const SequenceInput<T>& seq = saved.tape().input;
    const Memory<T>& memory = *seq.attended.memory;
    const Layout layout{from.axes.steps, from.axes.rows};
    const WeightArrays<const T> weights(stack.shape, arrays, "weights");
    const auto dcontexts = optional_array<T>(dcontexts_in, "dcontexts", sequence_shape(layout, memory.value_size),
                                             "the shape of contexts");
    const auto w_query =
        optional_array<T>(w_query_in, "w_query", {memory.key_size, stack.shape.hidden}, "(key_size, hidden_size)");
    const bool projects = seq.attended.query != nullptr;
    require(projects == w_query.has_value(), "w_query: expected an array where there was a query, else None");
    NewMemoryGradient<T> gradient(memory);
    NewArray<T> dqueries(projects ? sequence_shape(layout, memory.key_size) : Shape{0});
    const py::none none;
    BackwardCall<T> call(from, saved.tape(), {dy, dhn, dcn, none, need_dx});
    call.gradients.attended = {data<T>(w_query), data<T>(dcontexts), dqueries.data(), gradient.pointers};
    const auto prepare = [&, to = call.gradients.attended.d_queries] {
      gradient.clear();
      std::memset(to, 0, dqueries.bytes);
    };
    py::object gradients = run_back(stack, saved, weights, call, threads, prepare, [&] { gradient.finish(); });
    py::object queries_gradient = projects ? py::object(dqueries.array) : py::none();
    return py::make_tuple(call.input_gradient(), call.dh0.array, call.cell_gradient(), queries_gradient,
                          gradient.d_keys.array, gradient.d_values.array, gradient.v_gradient(), gradients);
  });
}

}  // namespace

// More methods of Stack.
void register_attending(py::module_& m) {
  auto stack = py::reinterpret_borrow<py::class_<Stack>>(m.attr("Stack"));
  const auto optional = [](const char* name) { return py::arg(name).none(true); };
  stack.def("attending", &attending, py::arg("context"))
      .def("attend", &run_attend, py::arg("packed"), py::arg("memory").none(false), optional("query"), py::arg("x"),
           optional("h0"), optional("c0"), optional("lengths"), py::arg("threads"))
      .def("attend_train", &run_attend_train, py::arg("packed"), py::arg("memory").none(false), optional("query"),
           py::arg("x"), optional("h0"), optional("c0"), optional("lengths"), py::arg("threads"))
      .def("attend_backward", &run_attend_backward, py::arg("saved"), py::arg("weights"), optional("w_query"),
           optional("dy"), optional("dcontexts"), optional("dhn"), optional("dcn"), py::arg("need_dx"),
           py::arg("threads"));
}

}  // namespace pyrnn::bindings
