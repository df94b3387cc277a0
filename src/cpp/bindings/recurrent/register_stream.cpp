// SPDX-License-Identifier: Apache-2.0
#include "bindings/recurrent/stream_step.h"
#include "core/recurrent/forward.h"

namespace pyrnn::bindings {

StreamObject::StreamObject(const Stack& of, const Packed& packed, py::ssize_t batch_size, int threads) : stack(of) {
  checked_threads(threads);
  require_plain(stack);
  check_same_stack(stack, packed.stack, "packed");
  if (stack.shape.reads_backwards())
    throw std::invalid_argument(
        "Stream: a bidirectional or reverse stack, expected the forward direction (the reverse one needs the end "
        "first)");
  if (batch_size < 1 || batch_size > (py::ssize_t{1} << 40))
    throw std::invalid_argument("batch_size: " + std::to_string(batch_size) + ", expected 1 to 2**40");
  std::visit(
      [&]<class T, class W>(const SharedWeights<T, W>& weights) {
        stream = std::make_unique<Stream<T, W>>(stack.shape, weights, batch_size, threads);
      },
      packed.weights);
}

namespace {

StreamObject make_stream(const Stack& stack, const Packed& packed, py::ssize_t batch_size, int threads) {
  return {stack, packed, batch_size, threads};
}

// Where step turns with what it cannot take: the same step, with every check in words. A subclass may convert instead.
py::array checked_step(StreamObject& self, py::handle x, py::handle out, py::handle resets_in) {
  return std::visit(
      [&]<class T, class W>(std::unique_ptr<Stream<T, W>>& stream) {
        const bool flat = stream->rows() == 1 && require_ndarray(x, "x").ndim() == 1;
        const auto shape = [&](Index columns) { return flat ? Shape{columns} : Shape{stream->rows(), columns}; };
        const Shape x_shape = shape(stream->shape().input), y_shape = shape(stream->shape().output());
        const Pinned input = require_array<T>(x, "x", x_shape, "(batch, input_size)");
        const py::array output =
            out.is_none() ? NewArray<T>(y_shape).array : require_array<T>(out, "out", y_shape, "(batch, output size)");
        require_writeable(output, "out");
        const auto resets = optional_resets(resets_in, flat ? Shape{} : Shape{stream->rows()}, "(batch,)");
        take_step(self, *stream, input, output, flags(resets));
        return output;
      },
      self.stream);
}

template <class T>
struct StreamState {
  template <class W>
  explicit StreamState(const Stream<T, W>& stream)
      : h({stream.shape().layers, stream.rows(), stream.shape().output()}),
        c(stream.shape().has_c() ? Shape{stream.shape().layers, stream.rows(), stream.shape().hidden} : Shape{0}) {
    stream.load_state(h.data(), c.data());
  }
  NewArray<T> h, c;
};

py::tuple get_state(StreamObject& self) {
  return std::visit(
      [&]<class T, class W>(std::unique_ptr<Stream<T, W>>& stream) -> py::tuple {
        const Busy busy(self.busy);
        StreamState<T> state(*stream);
        return py::make_tuple(state.h.array, stream->shape().has_c() ? py::object(state.c.array) : py::none());
      },
      self.stream);
}

void set_state(StreamObject& self, py::handle h, py::handle c) {
  std::visit(
      [&]<class T, class W>(std::unique_ptr<Stream<T, W>>& stream) {
        const StackShape& s = stream->shape();
        const auto h_in =
            require_array<T>(h, "h", {s.layers, stream->rows(), s.output()}, "(num_layers, batch, output size)");
        if (!s.has_c() && !c.is_none())
          throw std::invalid_argument("c: an array, expected None for a cell without cell state");
        std::optional<Pinned> c_in;
        if (s.has_c())
          c_in = require_array<T>(c, "c", {s.layers, stream->rows(), s.hidden}, "(num_layers, batch, hidden_size)");
        const Busy busy(self.busy);
        stream->store_state(data<T>(h_in), data<T>(c_in));
      },
      self.stream);
}

void reset(StreamObject& self) {
  const Busy busy(self.busy);
  std::visit([](auto& stream) { stream->store_state(nullptr, nullptr); }, self.stream);
}

// A chunk of steps at once, through the whole-sequence kernels: the same bits as step by step.
py::array run(StreamObject& self, py::handle x_in, py::handle resets_in, int threads) {
  checked_threads(threads);
  return std::visit(
      [&]<class T, class W>(std::unique_ptr<Stream<T, W>>& stream) -> py::array {
        const StackShape& s = stream->shape();
        const Pinned x = require_rows<T>(x_in, "x", 3);
        const py::ssize_t steps = x.shape(0);
        require_shape(x, "x", {steps, stream->rows(), s.input}, "(T, batch, input_size)");
        const auto resets = optional_resets(resets_in, {steps, stream->rows()}, "(T, batch)");
        const Batch batch(steps, stream->rows(), nullptr, {flags(resets)});
        NewArray<T> y({steps, stream->rows(), s.output()});
        const Busy busy(self.busy);
        StreamState<T> state(*stream), end(*stream);
        const Sequences<T> sequences{.x = data<T>(x),
                                     .x_strides = strides_of<T>(x),
                                     .h0 = state.h.data(),
                                     .c0 = s.has_c() ? state.c.data() : nullptr,
                                     .y = y.data(),
                                     .hn = end.h.data(),
                                     .cn = end.c.data(),
                                     .cells = nullptr};
        bool finished = false;
        without_gil([&] { finished = forward<T>(s, stream->weights(), batch, sequences, threads, interrupted); });
        if (finished) stream->store_state(end.h.data(), end.c.data());
        return y.array;
      },
      self.stream);
}

}  // namespace

void register_stream(py::module_& m) {
  py::class_<StreamObject> stream(m, "Stream");
  def_init(stream, &make_stream, py::arg("stack"), py::arg("packed"), py::arg("batch_size"), py::arg("threads"));
  stream.def("reset", &reset, "Back to the zero state.")
      .def("_checked_step", &checked_step, py::arg("x_t"), py::arg("out").none(true), py::arg("resets").none(true))
      .def("_run", &run, py::arg("x"), py::arg("resets").none(true), py::arg("threads"))
      .def("_get_state", &get_state)
      .def("_set_state", &set_state, py::arg("h"), py::arg("c").none(true));
  add_step(stream);
}

}  // namespace pyrnn::bindings
