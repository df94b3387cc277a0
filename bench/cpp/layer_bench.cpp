// SPDX-License-Identifier: Apache-2.0
// Whole calls of a layer, from C++, for counting: inference, and a training step with its packing. Their results are
// the tests' business.
#include "benchmarks.h"
#include "core/recurrent/forward.h"
#include "core/recurrent/tape.h"

namespace pyrnn::bench {
namespace {

constexpr Index kSteps = 10, kRows = 8, kHidden = 64;

template <class T>
class LayerCall {
 public:
  LayerCall(const kernels::KernelTable& table, Cell cell)
      : table_(table), shape_(square_layer(cell, kHidden)), gates_(shape_.gates()) {}

  std::shared_ptr<const PackedWeights<T>> pack() const {
    return std::make_shared<const PackedWeights<T>>(table_, shape_, weights(), 1);
  }
  void infer(const PackedWeights<T>& packed) const { forward<T>(shape_, packed, batch_, sequences(), 1, nullptr); }
  void train() const {
    const auto tape =
        forward_train<T>(shape_, pack(), batch_, sequences(), {.key = {}, .recompute_every = 0, .threads = 1}, nullptr);
    std::fill_n(static_cast<T*>(dx_), dx_.count(), T(0));
    const SequenceGradients<T> gradients{.dy = dy_,
                                         .dy_strides = strides_,
                                         .dhn = nullptr,
                                         .dcn = nullptr,
                                         .dcells = nullptr,
                                         .dcells_strides = {},
                                         .dx = dx_,
                                         .dh0 = hn_,
                                         .dc0 = cn_};
    backward<T>(*tape, weights(), gradients, 1, nullptr)->add_to({weight_gradients()});
  }

 private:
  std::vector<Weights<const T>> weights() const {
    return {{.w_ih = w_ih_, .w_hh = w_hh_, .w_hn = w_hh_, .b_ih = b_ih_, .b_hh = b_hh_, .w_hr = nullptr}};
  }
  Weights<T> weight_gradients() const {
    return {.w_ih = d_w_ih_, .w_hh = d_w_hh_, .w_hn = d_w_hh_, .b_ih = d_b_ih_, .b_hh = d_b_hh_, .w_hr = nullptr};
  }
  Sequences<T> sequences() const { return {.x = x_, .x_strides = strides_, .y = y_, .hn = hn_, .cn = cn_}; }

  const kernels::KernelTable& table_;
  StackShape shape_;
  Index gates_;
  Strides strides_{kRows * kHidden, kHidden};
  Batch batch_{kSteps, kRows, nullptr};
  Array<T> w_ih_ = random_array<T>(gates_ * kHidden * kHidden, 0.1), w_hh_ = copy_of(w_ih_);
  Array<T> b_ih_ = random_array<T>(gates_ * kHidden, 0.1), b_hh_ = copy_of(b_ih_);
  Array<T> d_w_ih_ = copy_of(w_ih_), d_w_hh_ = copy_of(w_ih_), d_b_ih_ = copy_of(b_ih_), d_b_hh_ = copy_of(b_ih_);
  Array<T> x_ = random_array<T>(kSteps * kRows * kHidden), y_ = copy_of(x_), dy_ = copy_of(x_), dx_ = copy_of(x_);
  Array<T> hn_ = Array<T>(kRows * kHidden), cn_ = Array<T>(kRows * kHidden);
};

}  // namespace

void count_layers(const kernels::KernelTable& table) {
  const LayerCall<float> gru(table, Cell::gru), lstm(table, Cell::lstm);
  const auto packed = gru.pack();
  count_call("inference gru T=10 B=8 H=64", [&] { gru.infer(*packed); });
  count_call("training lstm T=10 B=8 H=64", [&] { lstm.train(); });
}

}  // namespace pyrnn::bench
