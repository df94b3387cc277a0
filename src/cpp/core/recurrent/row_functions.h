// SPDX-License-Identifier: Apache-2.0
// The parts of a chain that work on each row by itself: the operations that the modules of the same names call.
#pragma once

#include <memory>
#include <vector>

#include "core/operations/activations.h"
#include "core/operations/layer_norm.h"
#include "core/operations/linear.h"
#include "core/recurrent/chain_part.h"
#include "core/runtime/pieces.h"

namespace pyrnn {

template <class T>
class RowFunction : public ChainPart<T> {
 public:
  void step(const ActiveRows& rows, const T* x, T* y) final {
    apply(rows.count, x, y, threads_ == 1 ? 1 : std::min(threads_, thread_limit()), nullptr);
  }
  void run(const ChunkSteps& chunk, const T* x, Strides strides, T* y, int threads, Interrupt::Check check) final {
    const Index columns = this->inputs();
    std::vector<T> rows;
    if (strides.row != columns || strides.step != chunk.rows * columns) {
      rows.resize(static_cast<std::size_t>(chunk.count() * columns));
      for (Index n = 0; n < chunk.count(); ++n)
        std::copy_n(x + n / chunk.rows * strides.step + n % chunk.rows * strides.row, columns,
                    rows.data() + n * columns);
      x = rows.data();
    }
    apply(chunk.count(), x, y, threads, check);
  }

 protected:
  explicit RowFunction(int threads) : threads_(threads) {}
  virtual void apply(Index rows, const T* x, T* y, int threads, Interrupt::Check check) = 0;

 private:
  const int threads_;
};

template <class T, class W = T>
class LinearRows final : public RowFunction<T> {
 public:
  LinearRows(std::shared_ptr<const PackedLinear<T, W>> linear, int threads)
      : RowFunction<T>(threads), linear_(std::move(linear)) {}
  Index inputs() const override { return linear_->inputs(); }
  Index outputs() const override { return linear_->outputs(); }
  double work(Index rows) const override { return static_cast<double>(rows * inputs() * outputs()); }

 private:
  void apply(Index rows, const T* x, T* y, int threads, Interrupt::Check check) override {
    linear_->forward(rows, x, y, threads, check);
  }
  const std::shared_ptr<const PackedLinear<T, W>> linear_;
};

// What has as many columns as it gets.
template <class T>
class SameColumns : public RowFunction<T> {
 public:
  Index inputs() const final { return columns_; }
  Index outputs() const final { return columns_; }
  double work(Index rows) const final { return kWorkOfElement * static_cast<double>(rows * columns_); }

 protected:
  SameColumns(Index columns, int threads) : RowFunction<T>(threads), columns_(columns) {}
  const Index columns_;
};

template <class T>
class LayerNormRows final : public SameColumns<T> {
 public:
  // weight and bias: null, or as long as the part lives.
  LayerNormRows(Index columns, T eps, const T* weight, const T* bias, Index rows, int threads)
      : SameColumns<T>(columns, threads),
        eps_(eps),
        weight_(weight),
        bias_(bias),
        moments_(static_cast<std::size_t>(2 * rows)) {}

 private:
  void apply(Index rows, const T* x, T* y, int threads, Interrupt::Check check) override {
    std::vector<T> more(static_cast<Index>(moments_.size()) < 2 * rows ? static_cast<std::size_t>(2 * rows) : 0);
    T* moments = more.empty() ? moments_.data() : more.data();
    layer_norm_forward<T>({.rows = rows,
                           .columns = this->columns_,
                           .eps = eps_,
                           .x = x,
                           .weight = weight_,
                           .bias = bias_,
                           .y = y,
                           .mean = moments,
                           .scale = moments + rows},
                          threads, check);
  }
  const T eps_;
  const T* const weight_;
  const T* const bias_;
  std::vector<T> moments_;  // of the rows of a step: mean, scale
};

template <class T>
class ActivationRows final : public SameColumns<T> {
 public:
  ActivationRows(ActivationKind kind, Index columns, int threads) : SameColumns<T>(columns, threads), kind_(kind) {}

 private:
  void apply(Index rows, const T* x, T* y, int threads, Interrupt::Check check) override {
    activation_forward<T>(kind_, {.count = rows * this->columns_, .x = x, .y = y}, threads, check);
  }
  const ActivationKind kind_;
};

template <class T>
class SoftmaxRows final : public SameColumns<T> {
 public:
  SoftmaxRows(Index columns, int threads) : SameColumns<T>(columns, threads) {}

 private:
  void apply(Index rows, const T* x, T* y, int threads, Interrupt::Check check) override {
    softmax_forward<T>({.rows = rows, .columns = this->columns_, .x = x, .y = y}, threads, check);
  }
};

}  // namespace pyrnn
