// SPDX-License-Identifier: Apache-2.0
#include "bindings/recurrent/stream_step.h"

namespace pyrnn::bindings {

StreamObject::StreamObject(const Stack& of, const Packed& packed, py::ssize_t batch_size, int threads) : stack(of) {
  checked_threads(threads);
  require_plain(stack);
  check_same_stack(stack, packed.stack, "packed");
  if (stack.shape.reads_backwards())
    throw std::invalid_argument(
        "Stream: a bidirectional or reverse stack, expected the forward direction (the reverse one needs the end "
        "first)");
  check_batch_size(batch_size);
  owner = "Stream";
  std::visit(
      [&]<class T, class W>(const SharedWeights<T, W>& weights) {
        const auto made = std::make_shared<Stream<T, W>>(stack.shape, weights, batch_size, threads);
        stream = made;
        chain = std::make_unique<StepChain<T>>(std::vector<std::shared_ptr<ChainPart<T>>>{made}, EmbeddingTable<T>(),
                                               batch_size);
      },
      packed.weights);
}

namespace {

StreamObject make_stream(const Stack& stack, const Packed& packed, py::ssize_t batch_size, int threads) {
  return {stack, packed, batch_size, threads};
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
      [&]<class T, class W>(std::shared_ptr<Stream<T, W>>& stream) -> py::tuple {
        const Busy busy(self);
        StreamState<T> state(*stream);
        return py::make_tuple(state.h.array, stream->shape().has_c() ? py::object(state.c.array) : py::none());
      },
      self.stream);
}

void set_state(StreamObject& self, py::handle h, py::handle c) {
  std::visit(
      [&]<class T, class W>(std::shared_ptr<Stream<T, W>>& stream) {
        const StackShape& s = stream->shape();
        const auto h_in =
            require_array<T>(h, "h", {s.layers, stream->rows(), s.output()}, "(num_layers, batch, output size)");
        if (!s.has_c() && !c.is_none())
          throw std::invalid_argument("c: an array, expected None for a cell without cell state");
        std::optional<Pinned> c_in;
        if (s.has_c())
          c_in = require_array<T>(c, "c", {s.layers, stream->rows(), s.hidden}, "(num_layers, batch, hidden_size)");
        const Busy busy(self);
        stream->store_state(data<T>(h_in), data<T>(c_in));
      },
      self.stream);
}

void reset(StreamObject& self) {
  const Busy busy(self);
  std::visit([](auto& stream) { stream->store_state(nullptr, nullptr); }, self.stream);
}

constexpr const char* kStepDoc =
    "step($self, x_t, out=None, resets=None, active=None)\n--\n\n"
    "y (B, H) of one step x_t (B, I); for batch_size 1 also x_t (I,), then y is (H,).\n\n"
    "`out`, a C-contiguous array of y's shape and dtype, receives y and is returned; nothing is\n"
    "allocated. Before the step, the state of rows where `resets`, bool (B,), is true becomes zero.\n"
    "Rows where `active`, bool (B,), is false are idle: their x is not read, their state stays as\n"
    "it is (or was reset), their y is zero: they are not computed. For x_t (I,) each is one bool.\n"
    "TypeError or ValueError for what does not fit; then the state is as it was.";

}  // namespace

void register_stream(py::module_& m) {
  py::class_<StreamObject> stream(m, "Stream");
  def_init(stream, &make_stream, py::arg("stack"), py::arg("packed"), py::arg("batch_size"), py::arg("threads"));
  stream.def("reset", &reset, "Back to the zero state.")
      .def("_get_state", &get_state)
      .def("_set_state", &set_state, py::arg("h"), py::arg("c").none(true));
  static PyMethodDef step = fast_method("step", &step_method<StreamObject>, kStepDoc);
  def_steps(stream, step, "_run");
}

}  // namespace pyrnn::bindings
