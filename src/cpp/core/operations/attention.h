// SPDX-License-Identifier: Apache-2.0
// Attention in a batch: each row's queries attend to that row's keys and values.
#pragma once

#include <optional>

#include "core/runtime/interrupt.h"
#include "kernels/kernels.h"

namespace pyrnn {

// Where an array (steps, rows, columns) has its rows.
struct Layout {
  Index steps, rows;
  Index row(Index row, Index columns) const { return row * columns; }
  Index step(Index columns) const { return rows * columns; }
  Index at(Index time, Index r, Index columns) const { return row(r, columns) + time * step(columns); }
};

// What is attended to.
template <class T>
struct Memory {
  Layout layout;  // of keys and values; `steps` is S
  Index key_size, value_size;
  const T* keys;
  const T* values;
  const std::int64_t* lengths;  // [B], each in [0, S]
  const T* v;                   // [key_size], or null: scores are products
  T scale;
  std::optional<kernels::DropoutRow<T>> dropout{};  // of the weights: core/operations/dropout.h; none in inference

  // Multiply-adds that one query takes about as long as: a tanh counts as many.
  double work() const {
    constexpr double kWorkOfTanh = 16;
    const double of_key = (v ? kWorkOfTanh : 1) * static_cast<double>(key_size);
    return static_cast<double>(layout.steps) * (of_key + static_cast<double>(value_size));
  }
  // The query of a row at a step. `dropped`: [S], of which nothing is needed later; not used without dropout.
  kernels::Attention<T> of_query(Index row, Index time, const T* query, T* weights, T* dropped, T* context) const {
    kernels::Attention<T> q{.length = static_cast<Index>(lengths[row]),
                            .key_size = key_size,
                            .value_size = value_size,
                            .query = query,
                            .keys = keys + layout.row(row, key_size),
                            .key_step = layout.step(key_size),
                            .values = values + layout.row(row, value_size),
                            .value_step = layout.step(value_size),
                            .v = v,
                            .scale = scale,
                            .weights = weights,
                            .context = context};
    if (dropout) {
      q.dropout = *dropout;
      q.dropout.row += static_cast<std::uint32_t>(row);
      q.dropout.time = static_cast<std::uint32_t>(time);
      q.dropout.units = q.length;
      q.dropout.x = weights;
      q.dropout.y = dropped;
    }
    return q;
  }
};

// Zero on entry; d_v holds the sums of each row, [B][key_size], until sum_rows().
template <class T>
struct MemoryGradient {
  T* d_keys;
  T* d_values;
  T* d_v;  // null where v is

  kernels::AttentionGradient<T> of_row(const Memory<T>& memory, Index row, const kernels::Attention<T>& forward,
                                       const T* d_context, T* d_query, T* d_scores) const {
    return {.forward = forward,
            .d_context = d_context,
            .d_weights = nullptr,
            .d_query = d_query,
            .d_keys = d_keys + memory.layout.row(row, memory.key_size),
            .d_values = d_values + memory.layout.row(row, memory.value_size),
            .d_v = d_v ? d_v + row * memory.key_size : nullptr,
            .d_scores = d_scores};
  }
};

// The queries of all rows and what they find, all laid out alike.
template <class T>
struct Queries {
  Layout layout;
  const T* queries;  // key_size columns
  T* weights;        // S columns; zero after a row's length
  T* dropped;        // the same, if the memory has dropout
  T* contexts;       // value_size columns
};
// Their gradients, laid out as they are.
template <class T>
struct QueryGradients {
  const T* d_contexts;
  const T* d_weights;  // of the dropped ones; null: zero
  T* d_queries;        // overwritten
};
// Both are incomplete once `check` asked to stop.
template <class T>
void attention_forward(const Memory<T>& memory, const Queries<T>& queries, int threads, Interrupt::Check check);

// A row's steps, the last first, so that a decoder gives the same sums.
template <class T>
void attention_backward(const Memory<T>& memory, const Queries<T>& queries, const QueryGradients<T>& of_queries,
                        const MemoryGradient<T>& of_memory, int threads, Interrupt::Check check);

// d_v [key_size] of [B][key_size], row after row.
template <class T>
void sum_rows(const T* of_rows, Index rows, Index columns, T* sum);

}  // namespace pyrnn
