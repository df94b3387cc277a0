// SPDX-License-Identifier: Apache-2.0
// The part of the kernel table that works element by element or row by row, and its argument structs.
//
// Every element gets the same bits wherever its range or row begins, so callers may cut the work anywhere.
// An output may be the same array as an input; other overlaps are not allowed.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/dims.h"

namespace pyrnn::kernels {

// y[i] = f(x[i]), i < count
template <class T>
struct Activation {
  Index count;
  const T* x;
  T* y;
};

// d_x[i] = f'(x[i]) * d_y[i], f' computed from y = f(x)
template <class T>
struct ActivationGradient {
  Index count;
  const T* y;
  const T* d_y;
  T* d_x;
};

// y[r] = softmax(x[r])
template <class T>
struct Softmax {
  Index rows;
  Index columns;
  const T* x;  // [rows][columns]
  T* y;        // [rows][columns]
};

template <class T>
struct SoftmaxGradient {
  Index rows;
  Index columns;
  const T* y;    // [rows][columns]
  const T* d_y;  // [rows][columns]
  T* d_x;        // [rows][columns]
};

// y[u] = x[u] * scale where the row's random word u is at least drop_below, else x[u] * 0, for units u < units.
// The words of four units are Philox4x32-10(counter = (u/4, row, time, 0), key).
template <class T>
struct DropoutRow {
  std::uint64_t key;
  std::uint32_t drop_below;
  std::uint32_t row;   // the caller's own row, not its place in a sorted batch
  std::uint32_t time;
  T scale;
  Index units;
  const T* x;  // [units]
  T* y;        // [units]
};

// One query over the keys and values of one sequence of `length` steps.
template <class T>
struct Attention {
  Index length;
  Index key_size;
  Index value_size;
  const T* query;   // [key_size]
  const T* keys;    // [length][key_size], key_step apart
  Index key_step;
  const T* values;  // [length][value_size], value_step apart
  Index value_step;
  const T* v;       // [key_size]: the score is additive; null: it is a product
  T scale;          // of the score
  T* weights;       // [length]
  T* context;       // [value_size]; 0 where length is 0
  DropoutRow<T> dropout{};  // x: weights, y: what the values are summed with; y null: that is weights
};

template <class T>
struct AttentionGradient {
  Attention<T> forward;  // its weights are read
  const T* d_context;    // [value_size]
  const T* d_weights;    // [length] of the dropped ones, or null: 0
  T* d_query;            // [key_size]
  T* d_keys;             // added to; strides of keys
  T* d_values;           // added to; strides of values
  T* d_v;                // [key_size] added to; null where v is
  T* d_scores;           // [length] scratch
};

// y[r] = the sum of x[r]
template <class T>
struct RowSums {
  Index rows;
  Index columns;
  const T* x;  // [rows][columns]
  T* y;        // [rows]
};

// losses[r] = scale[r] * n(targets[r]) + sum over c of spread[c] * n(c), n(c) = -log softmax(logits[r])[c], and its
// gradient. The logits of a row with target -1 are not read: loss and gradient are 0.
template <class T>
struct CrossEntropy {
  Index rows;
  Index columns;
  const T* logits;              // [rows][columns]
  const std::int64_t* targets;  // [rows], each in [0, columns), or -1
  const T* scale;               // [rows]
  const T* spread;              // [columns], or null: 0
  T spread_sum;                 // over all columns
  T* losses;                    // [rows]
  T* d_logits;                  // [rows][columns]
};

// y = (x - mean) * scale * weight + bias in each row, with the row's mean and scale = 1 / sqrt(variance + eps).
template <class T>
struct LayerNorm {
  Index rows;
  Index columns;
  T eps;
  const T* x;       // [rows][columns]
  const T* weight;  // [columns], or null: 1
  const T* bias;    // [columns], or null: 0
  T* y;             // [rows][columns]
  T* mean;          // [rows]
  T* scale;         // [rows]
};

template <class T>
struct LayerNormGradient {
  Index rows;
  Index columns;
  const T* x;       // [rows][columns]
  const T* weight;  // [columns], or null: 1
  const T* d_y;     // [rows][columns]
  const T* mean;    // [rows]
  const T* scale;   // [rows]
  T* d_x;           // [rows][columns]
};

// Added to.
template <class T>
struct LayerNormWeightGradient {
  Index rows;
  Index columns;
  const T* x;      // [rows][columns]
  const T* d_y;    // [rows][columns]
  const T* mean;   // [rows]
  const T* scale;  // [rows]
  T* d_weight;     // [columns]
  T* d_bias;       // [columns]
};

// total += x, and lost += what that rounds off: total + lost is the sum of many x.
template <class T>
struct CompensatedSum {
  Index columns;
  const T* x;
  T *total, *lost;
};

// One sequence of vectors as one vector: their sum, step after step, or the largest values.
template <class T>
using StepNumber = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
template <class T>
struct TimePool {
  Index steps;
  Index columns;
  Index stride;  // elements from step to step
  const T* x;
  T* y;                    // [columns]; zeros without steps
  Index first;             // the step at which time_max goes on; 0: it begins
  StepNumber<T>* largest;  // [columns] the first step that has the largest value, NaN above all; not for sums
};

// torch.optim.SGD for one range of a parameter.
template <class T>
struct SgdStep {
  Index count;
  T* p;
  const T* g;
  T* momentum_buffer;  // null: no momentum
  bool first;          // the buffer is not yet filled
  bool nesterov;
  T lr;
  T momentum;
  T undamped;  // 1 - dampening
  T weight_decay;
};

// torch.optim.Adam, AdamW and NAdam.
template <class T>
struct AdamStep {
  Index count;
  T* p;
  const T* g;
  T* m;
  T* v;
  T* v_max;           // AMSGrad's largest v so far; null: v itself
  T m_rate;           // 1 - beta1
  T beta2;
  T v_rate;           // 1 - beta2
  T eps;
  T step_size;        // of m; Adam's is lr / (1 - beta1^step)
  T gradient_size;    // of g; 0 but for NAdam
  T root_correction;  // sqrt(1 - beta2^step)
  T weight_decay;     // added to the gradient; 0 where it is decoupled
  T keep;             // what decoupled decay leaves of p: 1 - lr*weight_decay; else 1
};

// torch.optim.RMSprop; with alpha = square_rate = 1 and no momentum torch.optim.Adagrad.
template <class T>
struct RmspropStep {
  Index count;
  T* p;
  const T* g;
  T* square_avg;
  T* grad_avg;         // null: not centred
  T* momentum_buffer;  // null: no momentum
  T lr;
  T alpha;
  T square_rate;
  T eps;
  T momentum;
  T weight_decay;
};

template <class T>
struct ElementwiseKernels {
  void (*tanh_forward)(const Activation<T>&) noexcept;
  void (*tanh_backward)(const ActivationGradient<T>&) noexcept;
  void (*relu_forward)(const Activation<T>&) noexcept;
  void (*relu_backward)(const ActivationGradient<T>&) noexcept;
  void (*sigmoid_forward)(const Activation<T>&) noexcept;
  void (*sigmoid_backward)(const ActivationGradient<T>&) noexcept;
  void (*exp_forward)(const Activation<T>&) noexcept;
  void (*log_forward)(const Activation<T>&) noexcept;
  void (*softmax_forward)(const Softmax<T>&) noexcept;
  void (*softmax_backward)(const SoftmaxGradient<T>&) noexcept;
  void (*attention_forward)(const Attention<T>&) noexcept;
  void (*attention_backward)(const AttentionGradient<T>&) noexcept;
  void (*cross_entropy)(const CrossEntropy<T>&) noexcept;
  void (*layer_norm_forward)(const LayerNorm<T>&) noexcept;
  void (*layer_norm_backward)(const LayerNormGradient<T>&) noexcept;
  void (*layer_norm_weight_gradient)(const LayerNormWeightGradient<T>&) noexcept;
  void (*time_sum)(const TimePool<T>&) noexcept;
  void (*time_max)(const TimePool<T>&) noexcept;
  void (*add_compensated)(const CompensatedSum<T>&) noexcept;
  void (*dropout_row)(const DropoutRow<T>&) noexcept;
  void (*sgd_step)(const SgdStep<T>&) noexcept;
  void (*adam_step)(const AdamStep<T>&) noexcept;
  void (*rmsprop_step)(const RmspropStep<T>&) noexcept;
  void (*scale)(T* a, Index count, T factor) noexcept;
  void (*add_to)(T* y, const T* x, Index count) noexcept;        // y += x
  void (*multiply_by)(T* y, const T* x, Index count) noexcept;   // y *= x
  void (*average_with)(T* y, const T* x, Index count) noexcept;  // y = (y + x) / 2
  void (*row_sums)(const RowSums<T>&) noexcept;
  double (*sum_squares)(const T* a, Index count) noexcept;
  bool (*all_finite)(const T* a, Index count) noexcept;
};

}  // namespace pyrnn::kernels
