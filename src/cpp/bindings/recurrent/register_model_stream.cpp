// SPDX-License-Identifier: Apache-2.0
// The stream of a whole model: its parts in one chain, if the core knows them all.
#include <map>

#include "bindings/operations/activations.h"
#include "bindings/operations/embedding.h"
#include "bindings/operations/linear.h"
#include "bindings/recurrent/stream_step.h"
#include "bindings/runtime/alone.h"
#include "core/recurrent/row_functions.h"

namespace pyrnn::bindings {
namespace {

// Makes a chain of descriptions of parts, each a tuple that begins with a name.
template <class T>
class ChainMaker {
 public:
  ChainMaker(ModelStreamObject& object, py::ssize_t rows, int threads)
      : object_(object), rows_(rows), threads_(threads) {}

  void add(py::handle description) {
    try {
      add_part(py::cast<py::tuple>(description));
    } catch (const py::cast_error& error) {
      throw py::type_error(std::string("parts: ") + error.what());
    }
  }

  std::unique_ptr<StepChain<T>> chain() {
    require(table_.columns > 0 || !parts_.empty(), "parts: none, expected at least one");
    return std::make_unique<StepChain<T>>(std::move(parts_), table_, rows_);
  }

 private:
  void add_part(const py::tuple& part) {
    const auto name = part.empty() ? std::string() : py::cast<std::string>(part[0]);
    static const std::map<std::string, std::pair<std::size_t, void (ChainMaker::*)(const py::tuple&)>> kinds = {
        {"recurrent", {2, &ChainMaker::add_recurrent}},   {"linear", {2, &ChainMaker::add_linear}},
        {"embedding", {2, &ChainMaker::add_embedding}},   {"layer_norm", {5, &ChainMaker::add_layer_norm}},
        {"activation", {3, &ChainMaker::add_activation}}, {"softmax", {2, &ChainMaker::add_softmax}}};
    const auto found = kinds.find(name);
    require(found != kinds.end() && found->second.first == part.size(), "parts: '", name, "' of ",
            static_cast<py::ssize_t>(part.size()), " entries, expected a part of the core");
    (this->*found->second.second)(part);
  }
  void append(std::shared_ptr<ChainPart<T>> part) {
    require(columns_ < 0 || columns_ == part->inputs(), "parts: ", columns_, " features come to a part of ",
            part->inputs());
    columns_ = part->outputs();
    parts_.push_back(std::move(part));
  }
  py::ssize_t columns(const py::handle& given) const {
    const auto columns = py::cast<py::ssize_t>(given);
    require(columns >= 1, "parts: ", columns, " features, expected at least 1");
    return columns;
  }
  // Calls f with what is held of the chain's element type, whatever its weights are kept as.
  template <template <class, class> class Of, class F>
  static void visit_own(const OfWeights<Of>& object, const char* name, F&& f) {
    std::visit(
        [&]<class S, class W>(const std::shared_ptr<Of<S, W>>& held) {
          if constexpr (std::is_same_v<S, T>)
            f(held);
          else
            throw py::type_error(std::string("parts: a ") + name + " of another dtype");
        },
        object);
  }
  const Pinned* keep(std::optional<Pinned> array) {
    if (!array) return nullptr;
    object_.kept.push_back(std::move(*array));
    return &object_.kept.back();
  }

  // ("recurrent", Stream)
  void add_recurrent(const py::tuple& part) {
    if (!py::isinstance<StreamObject>(part[1])) throw py::type_error("parts: a recurrent one without a Stream");
    auto& object = initialised<StreamObject>(part[1]);
    visit_own(object.stream, "Stream", [&](const auto& stream) {
      require(stream->rows() == rows_, "parts: a Stream of ", stream->rows(), " rows, expected ", rows_);
      append(stream);
    });
  }
  // ("linear", PackedLinear)
  void add_linear(const py::tuple& part) {
    if (!py::isinstance<PackedLinearObject>(part[1]))
      throw py::type_error("parts: a linear one without a PackedLinear");
    const auto& object = initialised<PackedLinearObject>(part[1]);
    visit_own(object.linear, "PackedLinear", [&]<class W>(const std::shared_ptr<PackedLinear<T, W>>& linear) {
      append(std::make_shared<LinearRows<T, W>>(linear, threads_));
    });
  }
  // ("embedding", weight), which TableArrays reads
  void add_embedding(const py::tuple& part) {
    require(columns_ < 0, "parts: an embedding behind another part, expected it in front");
    const TableArrays<T> arrays(part[1]);
    table_ = arrays.table();
    keep(arrays.numbers);
    keep(arrays.scale);
    columns_ = table_.columns;
  }
  // ("layer_norm", features, eps, weight or None, bias or None)
  void add_layer_norm(const py::tuple& part) {
    const py::ssize_t features = columns(part[1]);
    const auto array = [&](std::size_t i, const char* name) -> const T* {
      const Pinned* kept = keep(optional_array<T>(part[i], name, {features}, "(features,)"));
      return kept ? data<T>(*kept) : nullptr;
    };
    const T *weight = array(3, "weight"), *bias = array(4, "bias");
    append(std::make_shared<LayerNormRows<T>>(features, static_cast<T>(py::cast<double>(part[2])), weight, bias, rows_,
                                              threads_));
  }
  // ("activation", features, name)
  void add_activation(const py::tuple& part) {
    append(std::make_shared<ActivationRows<T>>(activation_kind(py::cast<std::string>(part[2]), false), columns(part[1]),
                                               threads_));
  }
  // ("softmax", features)
  void add_softmax(const py::tuple& part) { append(std::make_shared<SoftmaxRows<T>>(columns(part[1]), threads_)); }

  ModelStreamObject& object_;
  const py::ssize_t rows_;
  const int threads_;
  py::ssize_t columns_ = -1;  // what the last part gives
  EmbeddingTable<T> table_;
  std::vector<std::shared_ptr<ChainPart<T>>> parts_;
};

ModelStreamObject make_model_stream(const std::string& owner, const py::object& parts, const std::string& dtype,
                                    py::ssize_t batch_size, int threads) {
  return {owner, parts, dtype, batch_size, threads};
}

PyObject* run_alone(PyObject* self, PyObject* const* values, Py_ssize_t positional, PyObject* names) {
  return as_c_result([&] {
    auto& object = initialised<ModelStreamObject>(self);
    return py::reinterpret_steal<py::object>(call_alone(object.busy, in_use_text(object), values, positional, names));
  });
}

constexpr const char* kStepDoc =
    "step($self, x_t, out=None, resets=None, active=None)\n--\n\n"
    "y (N, F) of x_t (N, I), or of integer x_t (N,) in front of an Embedding.\n\n"
    "For batch_size 1 the batch axis may be left out; then y has none. `out`, `resets` and `active`\n"
    "as in Stream. After an error, in any part, every state is as it was.";

}  // namespace

ModelStreamObject::ModelStreamObject(const std::string& of, const py::object& parts, const std::string& dtype,
                                     py::ssize_t batch_size, int threads) {
  owner = of;
  checked_threads(threads);
  check_batch_size(batch_size);
  require(dtype == "float32" || dtype == "float64", "dtype: '", dtype, "', expected float32 or float64");
  if (parts.is_none()) return;
  with_type(dtype == "float32", [&](auto type) {
    ChainMaker<decltype(type)> maker(*this, batch_size, threads);
    for (const py::handle part : py::cast<py::list>(parts)) maker.add(part);
    chain = maker.chain();
  });
}

void register_model_stream(py::module_& m) {
  py::class_<ModelStreamObject> stream(m, "ModelStream");
  def_init(stream, &make_model_stream, py::arg("owner"), py::arg("parts").none(true), py::arg("dtype"),
           py::arg("batch_size"), py::arg("threads"));
  static PyMethodDef step = fast_method("step", &step_method<ModelStreamObject>, kStepDoc);
  def_steps(stream, step, "_run_chunk");
  static PyMethodDef alone =
      fast_method("_alone", &run_alone, "_alone($self, work, *args, **kwargs)\n--\n\nwork(*args, **kwargs), alone.");
  add_method(stream, alone);
}

}  // namespace pyrnn::bindings
