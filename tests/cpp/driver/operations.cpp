// SPDX-License-Identifier: Apache-2.0
// Whole-array operations: linear layers, attention, CRF, CTC, and those that go element by element.
#include <memory>

#include "calls.h"
#include "core/operations/activations.h"
#include "core/operations/attention.h"
#include "core/operations/crf.h"
#include "core/operations/ctc_decode.h"
#include "core/operations/dropout.h"
#include "core/operations/embedding.h"
#include "core/operations/layer_norm.h"
#include "core/operations/linear.h"
#include "core/operations/optimizers.h"
#include "core/operations/pool.h"
#include "core/operations/viterbi.h"
#include "core/runtime/isa.h"

namespace pyrnn::driver {
namespace {

template <class T, class W>
Bytes linear(Index rows, Index inputs, Index outputs, const std::vector<T>& x, const std::vector<T>& weight,
             int threads) {
  auto y = zeros<T>(rows * outputs);
  const PackedLinear<T, W> packed(active_kernels(), outputs, inputs, weight.data(), weight.data(), threads);
  packed.forward(rows, x.data(), y.data(), threads, nullptr);
  return Bytes() << y;
}

template <class T>
class Operations {
 public:
  explicit Operations(const Sizes& sizes)
      : T_(sizes.steps),
        B(sizes.rows),
        F(sizes.units),
        rows_(T_ * B),
        lengths_(ragged(T_, B)),
        x_(numbers<T>(rows_ * F)),
        other_(numbers<T>(rows_ * F)),
        square_(numbers<T>(F * F, 0.3)),
        scale_(static_cast<std::size_t>(B), T(0.5)),
        of_rows_(static_cast<std::size_t>(rows_), T(0.5)),
        classes_(whole_numbers(rows_, F)) {}

  Bytes linear_gradient(int threads) const {
    auto d_x = zeros<T>(rows_ * F), d_weight = zeros<T>(F * F), d_bias = zeros<T>(F);
    linear_backward<T>({.rows = rows_,
                        .outputs = F,
                        .inputs = F,
                        .x = x_.data(),
                        .weight = square_.data(),
                        .d_y = other_.data(),
                        .d_x = d_x.data(),
                        .d_weight = d_weight.data(),
                        .d_bias = d_bias.data()},
                       threads, nullptr);
    return Bytes() << d_x << d_weight << d_bias;
  }
  template <class W>
  Bytes linear_layer(int threads) const {
    return linear<T, W>(rows_, F, F, x_, square_, threads);
  }

  // A query at each step of each row, over the steps of that row.
  Bytes attention(bool additive, int threads) const {
    const Layout layout{T_, B};
    const Memory<T> memory{.layout = layout,
                           .key_size = F,
                           .value_size = F,
                           .keys = x_.data(),
                           .values = other_.data(),
                           .lengths = lengths_.data(),
                           .v = additive ? square_.data() : nullptr,
                           .scale = T(0.3),
                           .dropout = dropout_row_of<T>({0.2, 1, 2, 3})};
    auto weights = zeros<T>(rows_ * T_), dropped = weights;
    auto contexts = zeros<T>(rows_ * F), d_queries = contexts, d_keys = contexts, d_values = contexts;
    auto d_v = zeros<T>(B * F);
    const Queries<T> queries{layout, x_.data(), weights.data(), dropped.data(), contexts.data()};
    attention_forward<T>(memory, queries, threads, nullptr);
    attention_backward<T>(memory, queries, {other_.data(), nullptr, d_queries.data()},
                          {d_keys.data(), d_values.data(), additive ? d_v.data() : nullptr}, threads, nullptr);
    return Bytes() << weights << dropped << contexts << d_queries << d_keys << d_values << d_v;
  }

  Bytes crf(int threads) const {
    const CrfScores<T> scores{pooled(), x_.data(), square_.data(), square_.data(), square_.data() + F};
    auto d_x = zeros<T>(rows_ * F), d_square = zeros<T>(F * F), d_start = zeros<T>(F), d_end = zeros<T>(F);
    auto values = zeros<double>(B), best = values;
    auto paths = zeros<std::int64_t>(rows_);
    crf_likelihood<T>(scores, classes_.data(),
                      {scale_.data(), d_x.data(), d_square.data(), d_start.data(), d_end.data()}, values.data(),
                      threads, nullptr);
    crf_viterbi<T>(scores, paths.data(), best.data(), threads, nullptr);
    return Bytes() << d_x << d_square << d_start << d_end << values << paths << best;
  }

  Bytes ctc(int threads) const {
    constexpr Index kMost = 2;
    const CtcLogits<T> logits{pooled(), x_.data(), 0};
    std::vector<std::int64_t> labels, counts;
    for (Index row = 0; row < B; ++row) {
      counts.push_back(row % (kMost + 1));
      for (Index i = 0; i < kMost; ++i) labels.push_back(1 + (row + i) % (F - 1));
    }
    auto losses = zeros<double>(B);
    auto d_logits = zeros<T>(rows_ * F);
    ctc_loss<T>(logits, {labels.data(), counts.data(), kMost}, {scale_.data(), true, losses.data(), d_logits.data()},
                threads, nullptr);
    Bytes bytes = Bytes() << losses << d_logits;
    CtcDecodings greedy, beam;
    ctc_greedy<T>(logits, greedy, threads, nullptr);
    ctc_beam<T>(logits, 4, beam, threads, nullptr);
    for (const CtcDecodings* decodings : {&greedy, &beam})
      for (const auto& of_row : *decodings)
        for (const CtcDecoded& decoded : of_row) bytes << decoded.labels << std::vector{decoded.log_probability};
    return bytes;
  }

  Bytes layer_norm(int threads) const {
    auto y = zeros<T>(rows_ * F), d_x = y, mean = zeros<T>(rows_), scale = mean, d_weight = zeros<T>(F),
         d_bias = d_weight;
    layer_norm_forward<T>(
        {rows_, F, T(1e-5), x_.data(), square_.data(), square_.data() + F, y.data(), mean.data(), scale.data()},
        threads, nullptr);
    layer_norm_backward<T>({rows_, F, x_.data(), square_.data(), other_.data(), mean.data(), scale.data(), d_x.data()},
                           d_weight.data(), d_bias.data(), threads, nullptr);
    return Bytes() << y << d_x << mean << scale << d_weight << d_bias;
  }

  Bytes pools(int threads) const {
    auto sum = zeros<T>(B * F), most = sum, spread = zeros<T>(rows_ * F);
    auto largest = zeros<kernels::StepNumber<T>>(B * F);
    time_sum<T>(pooled(), x_.data(), sum.data(), threads, nullptr);
    time_max<T>(pooled(), x_.data(), most.data(), largest.data(), threads, nullptr);
    time_spread<T>(pooled(), sum.data(), spread.data(), threads, nullptr);
    return Bytes() << sum << most << largest << spread;
  }

  Bytes activations(int threads) const {
    Bytes bytes;
    auto y = zeros<T>(rows_ * F), d_x = y;
    for (const auto kind : {ActivationKind::tanh, ActivationKind::relu, ActivationKind::sigmoid, ActivationKind::exp}) {
      activation_forward<T>(kind, {rows_ * F, x_.data(), y.data()}, threads, nullptr);
      if (kind != ActivationKind::exp)
        activation_backward<T>(kind, {rows_ * F, y.data(), other_.data(), d_x.data()}, threads, nullptr);
      bytes << y << d_x;
    }
    softmax_forward<T>({rows_, F, x_.data(), y.data()}, threads, nullptr);
    softmax_backward<T>({rows_, F, y.data(), other_.data(), d_x.data()}, threads, nullptr);
    bytes << y << d_x;
    auto losses = zeros<T>(rows_);
    cross_entropy<T>({rows_, F, x_.data(), classes_.data(), of_rows_.data(), nullptr, T(0), losses.data(), y.data()},
                     threads, nullptr);
    pyrnn::dropout<T>({0.3, 1, 2, 3}, {T_, B, F, x_.data(), d_x.data()}, threads, nullptr);
    return bytes << losses << y << d_x;
  }

  Bytes embedding(int threads) const {
    auto rows = zeros<T>(rows_ * F), gradient = zeros<T>(F * F);
    embedding_forward<T>({.count = F, .columns = F, .rows = square_.data()}, {rows_, classes_.data()}, rows.data(),
                         threads, nullptr);
    embedding_backward<T>({rows_, classes_.data()}, F, other_.data(), gradient.data());
    return Bytes() << rows << gradient;
  }

  Bytes optimizers(int threads) const {
    const Index count = rows_ * F;
    auto p = x_, m = zeros<T>(count), v = m, most = m;
    sgd_step<T>(count, p.data(), other_.data(), m.data(), {0.1, 0.9, 0.1, true, 0.01, true}, threads);
    adam_step<T>(count, {p.data(), other_.data(), m.data(), v.data(), most.data()},
                 {0.1, 1, 0.9, 0.99, 1e-8, 0.01, 1, 1}, threads);
    rmsprop_step<T>(count, {p.data(), other_.data(), v.data(), m.data(), most.data()}, {0.1, 0.9, 0.1, 1e-8, 0.5, 0},
                    threads);
    scale_in_place<T>(p.data(), count, 0.7, threads);
    const bool finite = all_finite<T>(p.data(), count, threads);
    return Bytes() << p << m << v << most << std::vector{sum_squares<T>(p.data(), count), finite ? 1.0 : 0.0};
  }

 private:
  PooledRows pooled() const { return {T_, B, F, false, lengths_.data()}; }

  const Index T_, B, F, rows_;
  const std::vector<std::int64_t> lengths_;
  const std::vector<T> x_, other_, square_, scale_, of_rows_;
  const std::vector<std::int64_t> classes_;
};

template <class T>
void add_all(std::vector<Call>& calls, const Sizes& sizes) {
  const auto of = std::make_shared<const Operations<T>>(sizes);
  const auto add = [&](const char* what, auto&& run) {
    calls.push_back({std::string(what) + (sizeof(T) == 4 ? ", float" : ", double"), run});
  };
  add("linear layer", [of](int threads) { return of->template linear_layer<T>(threads); });
  if constexpr (sizeof(T) == 4) {
    add("linear layer, bf16", [of](int threads) { return of->template linear_layer<kernels::Bf16>(threads); });
    add("linear layer, int8", [of](int threads) { return of->template linear_layer<kernels::Int8>(threads); });
  }
  add("linear gradient", [of](int threads) { return of->linear_gradient(threads); });
  add("attention", [of](int threads) { return of->attention(false, threads); });
  add("additive attention", [of](int threads) { return of->attention(true, threads); });
  add("CRF", [of](int threads) { return of->crf(threads); });
  add("CTC", [of](int threads) { return of->ctc(threads); });
  add("layer norm", [of](int threads) { return of->layer_norm(threads); });
  add("pools", [of](int threads) { return of->pools(threads); });
  add("activations", [of](int threads) { return of->activations(threads); });
  add("embedding", [of](int threads) { return of->embedding(threads); });
  add("optimizers", [of](int threads) { return of->optimizers(threads); });
}

}  // namespace

void add_operations(std::vector<Call>& calls, const Sizes& sizes) {
  add_all<float>(calls, sizes);
  add_all<double>(calls, sizes);
}

}  // namespace pyrnn::driver
