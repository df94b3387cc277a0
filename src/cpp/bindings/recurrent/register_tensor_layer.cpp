// SPDX-License-Identifier: Apache-2.0
// TensorLayer: the call of a layer of a tensor library, in inference from tensors to tensors in one C function. One
// step of LSTM(16, 128) on 8 rows takes 12 us in the core; with its checks in Python a call took 54 us.
#include "bindings/recurrent/weight_cache.h"
#include "bindings/runtime/fast_method.h"
#include "bindings/runtime/interrupt.h"
#include "bindings/runtime/tensors.h"
#include "core/recurrent/forward.h"

namespace pyrnn::bindings {
namespace {

// What of a layer stays as it is until one of its attributes is set.
struct TensorLayer {
  py::object library_object, cache_object;
  Stack stack;
  py::object names;  // a list or tuple: of the weights, in the core's order
  bool drops;        // whether training draws masks
  bool batch_first;
  bool one_step;     // a cell: x and the states have no time and layer axes
  py::object train;  // (x, h0, c0, weights, rows) of a layer: y, hn and cn, with a backward pass

  const TensorLibrary& library() const { return initialised<TensorLibrary>(library_object); }
  WeightCache& cache() const { return initialised<WeightCache>(cache_object); }
};

// The arguments of a call.
struct Given {
  py::handle parameters;  // a dict
  bool training;
  py::handle x, state;    // state: None, h, or a sequence (h, c)
};

bool needs_gradient(py::handle tensor) {
  static PyObject* const name = PyUnicode_InternFromString("requires_grad");
  const auto answer = py::reinterpret_steal<py::object>(PyObject_GetAttr(tensor.ptr(), name));
  if (!answer) throw py::error_already_set();
  return answer.is(py::handle(Py_True));
}

template <class T>
bool is_aligned(const DlTensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(data_of<T>(tensor)) % alignof(T) == 0;
}

// One call. Each step returns false where something is not as it expects: then nothing has happened.
template <class T>
class Call {
 public:
  Call(const TensorLayer& layer, const Given& given)
      : layer_(layer), shape_(layer.stack.shape), library_(layer.library()), given_(given) {}

  // None: a call for the general way.
  py::object run() {
    if (library_.api == nullptr || (given_.training && layer_.drops) || library_.is_watched()) return py::none();
    noted_ = asks(library_.needs_gradients);
    if (!take_weights() || !take_x() || !take_states()) return py::none();
    if (wanted_) return layer_.one_step ? py::none() : train();
    const int threads = checked_threads(py::cast<int>(library_.threads()));
    const auto arrays = [&] { return arrays_of(*library_.api, tensors_, 0); };
    const py::object packed = layer_.cache().packed(layer_.stack, py::list(tensors_)[0], seen_, true, threads, arrays);
    return compute(*std::get<SharedWeights<T>>(initialised<Packed>(packed).weights), threads);
  }

 private:
  using Sizes = std::initializer_list<std::int64_t>;

  // The memory of a tensor of T.
  std::optional<DlTensor> memory_of(py::handle tensor) {
    std::optional<DlTensor> memory = library_.memory_of(tensor);
    if (!memory || !is_of<T>(*memory) || !is_aligned<T>(*memory)) return std::nullopt;
    wanted_ = wanted_ || (noted_ && needs_gradient(tensor));
    return memory;
  }

  bool take_weights() {
    const py::sequence names = py::reinterpret_borrow<py::sequence>(layer_.names);
    const std::size_t count = names.size();
    seen_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const py::object name = names[i];
      PyObject* const found = PyDict_GetItemWithError(given_.parameters.ptr(), name.ptr());
      if (found == nullptr) {
        if (PyErr_Occurred() != nullptr) throw py::error_already_set();
        return false;  // a parametrization computes it
      }
      tensors_.append(py::handle(found));
      const std::optional<DlTensor> memory = memory_of(found);
      if (!memory || memory->ndim == 0 || !is_c_contiguous(*memory)) return false;
      std::int64_t numbers = 1;
      for (std::int32_t axis = 0; axis < memory->ndim; ++axis) numbers *= memory->shape[axis];
      seen_.push_back(
          {data_of<T>(*memory), version_of(found), memory->shape[0], numbers * static_cast<std::int64_t>(sizeof(T))});
    }
    return count > 0;
  }

  bool take_x() {
    const std::optional<DlTensor> memory = memory_of(given_.x);
    const int axes = layer_.one_step ? 2 : 3;
    if (!memory || memory->ndim != axes || memory->strides == nullptr) return false;
    const std::int64_t* const sizes = memory->shape;
    const std::int64_t* const strides = memory->strides;
    if (sizes[axes - 1] != shape_.input || (strides[axes - 1] != 1 && shape_.input != 1)) return false;
    const int rows = layer_.one_step || layer_.batch_first ? 0 : 1, steps = layer_.one_step ? -1 : 1 - rows;
    rows_ = sizes[rows];
    steps_ = steps < 0 ? 1 : sizes[steps];
    if (rows_ < 1 || steps_ < 1) return false;
    const Strides apart{steps < 0 ? 0 : strides[steps], strides[rows]};
    sequences_.x = data_of<T>(*memory);
    sequences_.x_strides = evenly_spaced(apart, steps_, rows_, shape_.input);
    return true;
  }

  bool take_states() {
    const py::handle state = given_.state;
    if (state.is_none()) return true;
    if (!shape_.has_c()) {
      h_ = py::reinterpret_borrow<py::object>(state);
      return take_state(h_, shape_.output(), sequences_.h0);
    }
    if ((!PyTuple_Check(state.ptr()) && !PyList_Check(state.ptr())) || PySequence_Fast_GET_SIZE(state.ptr()) != 2)
      return false;
    PyObject** const parts = PySequence_Fast_ITEMS(state.ptr());
    h_ = py::reinterpret_borrow<py::object>(parts[0]);
    c_ = py::reinterpret_borrow<py::object>(parts[1]);
    return take_state(h_, shape_.output(), sequences_.h0) && take_state(c_, shape_.hidden, sequences_.c0);
  }

  bool take_state(py::handle tensor, Index width, const T*& to) {
    const std::optional<DlTensor> memory = memory_of(tensor);
    if (!memory || !is_c_contiguous(*memory)) return false;
    const std::int64_t expected[] = {states(), rows_, width};
    const auto* const first = expected + (layer_.one_step ? 1 : 0);
    if (!std::equal(first, std::end(expected), memory->shape, memory->shape + memory->ndim)) return false;
    to = data_of<T>(*memory);
    return true;
  }

  Index states() const { return shape_.layers * shape_.directions; }

  // A new state, of this width.
  NewTensor<T> state(Index width) const {
    const std::int64_t sizes[] = {states(), rows_, width}, strides[] = {rows_ * width, width, 1};
    const std::size_t left_out = layer_.one_step ? 1 : 0;
    return {std::span(sizes).subspan(left_out), std::span(strides).subspan(left_out)};
  }

  // A new sequence, in time order in memory, and for Python as x is.
  NewTensor<T> sequence() const {
    const std::int64_t C = shape_.layer_output();
    if (layer_.batch_first) return {std::array{rows_, steps_, C}, std::array{C, rows_ * C, std::int64_t{1}}};
    return {std::array{steps_, rows_, C}, std::array{rows_ * C, C, std::int64_t{1}}};
  }

  // By way of the library's automatic differentiation.
  py::object train() {
    const auto transposed = [&](const py::object& sequence) -> py::object {
      return layer_.batch_first ? sequence.attr("transpose")(0, 1) : sequence;
    };
    const py::object x = transposed(py::reinterpret_borrow<py::object>(given_.x));
    const py::tuple found = layer_.train(x, h_, c_, tensors_, rows_);
    const py::object last = shape_.has_c() ? py::object(py::make_tuple(found[1], found[2])) : py::object(found[1]);
    return py::make_tuple(transposed(found[0]), last);
  }

  py::object compute(const PackedWeights<T>& weights, int threads) {
    NewTensor<T> y = sequence(), hn = state(shape_.output());
    std::optional<NewTensor<T>> cn;
    sequences_.y = y.data();
    sequences_.hn = hn.data();
    if (shape_.has_c()) sequences_.cn = cn.emplace(state(shape_.hidden)).data();
    const Batch batch(steps_, rows_, nullptr);
    without_gil([&] { forward<T>(shape_, weights, batch, sequences_, threads, interrupted); });
    py::object last = hn.take(library_);
    if (cn) last = py::make_tuple(last, cn->take(library_));
    return layer_.one_step ? last : py::make_tuple(y.take(library_), last);
  }

  const TensorLayer& layer_;
  const StackShape& shape_;
  const TensorLibrary& library_;
  const Given& given_;
  bool noted_ = false;   // whether the library notes operations on tensors that gradients are wanted of,
  bool wanted_ = false;  // and there is one
  py::list tensors_;    // the weights
  std::vector<SeenWeight> seen_;
  py::object h_ = py::none(), c_ = py::none();
  Index steps_ = 0, rows_ = 0;
  Sequences<T> sequences_{};
};

constexpr const char* kCallDoc =
    "call($self, parameters, training, x, state)\n--\n\n"
    "The result of the layer's call; None where the general way has to check, compute or refuse: then\n"
    "nothing has happened. parameters: the module's dict.";

PyObject* call(PyObject* self, PyObject* const* values, Py_ssize_t positional, PyObject* names) {
  return as_c_result([&]() -> py::object {
    const TensorLayer& layer = initialised<TensorLayer>(self);
    if (positional != 4 || names != nullptr || !PyDict_Check(values[0]))
      throw py::type_error("TensorLayer.call: expected a dict of parameters, training, x and a state");
    const Given given{values[0], values[1] == Py_True, values[2], values[3]};
    return with_type(layer.stack.single,
                     [&](auto type) -> py::object { return Call<decltype(type)>(layer, given).run(); });
  });
}

TensorLayer make_layer(const py::object& library, const py::object& cache, const Stack& stack, const py::object& names,
                       bool drops, bool batch_first, bool one_step, const py::object& train) {
  initialised<TensorLibrary>(library);
  initialised<WeightCache>(cache);
  require_plain(stack);
  require(PyList_Check(names.ptr()) || PyTuple_Check(names.ptr()), "names: expected a list or a tuple");
  return {library, cache, stack, names, drops, batch_first, one_step, train};
}

WeightCache make_cache(const py::object& watch) { return WeightCache(watch); }

// Of tensors whose arrays may be copies: those have no place of their own, and are packed anew.
py::object packed_of(WeightCache& cache, const Stack& stack, const py::list& weights, const py::list& arrays,
                     bool repeated, int threads) {
  std::vector<SeenWeight> seen;
  std::vector<Pinned> pinned;
  require(weights.size() == arrays.size() && weights.size() > 0, "arrays: ", arrays.size(),
          ", expected one for each of ", weights.size(), " weights, at least one");
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Pinned& array = pinned.emplace_back(require_ndarray(arrays[i], "arrays"));
    require_layout(array, "arrays");
    if (array.owndata() || array.ndim() == 0) return pack_weights(stack, arrays, threads);
    seen.push_back({array.data(), version_of(weights[i]), array.shape(0), array.nbytes()});
  }
  return cache.packed(stack, weights[0], seen, repeated, threads, [&] { return arrays; });
}

}  // namespace

void register_tensor_layer(py::module_& m) {
  py::class_<WeightCache> cache(m, "WeightCache");
  def_init(cache, &make_cache, py::arg("watch"));
  cache.def("__len__", &WeightCache::size)
      .def("forget", &WeightCache::forget, py::arg("address"))
      .def("packed", &packed_of, py::arg("stack"), py::arg("weights"), py::arg("arrays"), py::arg("repeated"),
           py::arg("threads"));
  py::class_<TensorLayer> layer(m, "TensorLayer");
  def_init(layer, &make_layer, py::arg("library"), py::arg("cache"), py::arg("stack"), py::arg("names"),
           py::arg("drops"), py::arg("batch_first"), py::arg("one_step"), py::arg("train"));
  // Copied or pickled with its module: None, and the copy makes its own.
  layer.def("__reduce__", [](const py::object&) { return py::make_tuple(py::type::of(py::none()), py::tuple()); });
  static PyMethodDef method = fast_method("call", &call, kCallDoc);
  add_method(layer, method);
}

}  // namespace pyrnn::bindings
