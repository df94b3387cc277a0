// SPDX-License-Identifier: Apache-2.0
// What a stream runs in one call per step: a recurrent layer, or all parts of a model one after the other.
//
// A step is made in three moves: `choose` reads what the caller gave, `make` computes, and `keep` makes the new states
// the stream's. Nothing has to be copied to be undone: each recurrent part writes the states that it makes beside those
// from which it makes them.
#pragma once

#include <memory>
#include <vector>

#include "core/operations/embedding.h"
#include "core/recurrent/chain_part.h"
#include "core/runtime/arena.h"

namespace pyrnn {

// The caller's arrays. Those of flags and ids may change meanwhile.
template <class T>
struct StepInput {
  const T* x = nullptr;  // [B][inputs], of a chain with a table null
  Index x_row = 0;
  const std::int64_t* ids = nullptr;  // [B]
  const std::uint8_t* resets = nullptr;  // [B]: rows whose state becomes zero before the step; null: none
  const std::uint8_t* active = nullptr;  // [B]: rows that take part; null: all
};

template <class T>
struct ChunkInput {
  const T* x = nullptr;  // [steps][B][inputs]
  Strides x_strides{};
  const std::int64_t* ids = nullptr;  // [steps][B], each in the table
};

template <class T>
class StepChain {
 public:
  // The parts fit each other, in a chain without a table there is at least one.
  // table: in front of them, x are ids of its rows; none is empty, others last as long as the chain.
  StepChain(std::vector<std::shared_ptr<ChainPart<T>>> parts, const EmbeddingTable<T>& table, Index rows);
  StepChain(const StepChain&) = delete;
  StepChain& operator=(const StepChain&) = delete;

  Index rows() const { return rows_; }
  Index outputs() const { return parts_.empty() ? table_.columns : parts_.back()->outputs(); }
  bool takes_ids() const { return table_.columns > 0; }
  Index inputs() const { return takes_ids() ? table_.columns : parts_.front()->inputs(); }
  Index ids() const { return table_.count; }

  // The row of an id that the table does not have, or -1. Of rows that do not take part, x and ids are not read.
  Index choose(const StepInput<T>& in);
  // Of what was chosen: long enough that other threads of the caller should run meanwhile, about 20 us.
  bool is_long() const { return work_ >= kWorkOfLongStep; }
  // y [B][outputs], zero for rows that do not take part.
  void make(T* y);
  void keep() noexcept;

  // All steps of a chunk: y [steps][B][outputs]. keep_run follows unless the call was stopped.
  void run(const ChunkSteps& chunk, const ChunkInput<T>& in, T* y, int threads, Interrupt::Check check);
  void keep_run() noexcept;

 private:
  static constexpr double kWorkOfLongStep = 2e6;
  void choose_rows(const StepInput<T>& in);
  void spread(const T* from, T* y) const;
  double work(Index rows) const;
  Index widest() const;

  const std::vector<std::shared_ptr<ChainPart<T>>> parts_;
  const EmbeddingTable<T> table_;
  const Index rows_;
  const double work_of_all_;
  double work_;  // multiply-adds of the step
  ActiveRows chosen_;
  const T* x_ = nullptr;  // [count][inputs]
  Arena arena_;
  T* between_[2];  // [B][widest]: what goes from part to part
  T* read_;  // [B][inputs]: x where it cannot be read in place
  Index* active_;  // [B]
  std::uint8_t* resets_;  // [B]
};

}  // namespace pyrnn
