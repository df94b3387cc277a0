// SPDX-License-Identifier: Apache-2.0
// A part of a chain of a stream: it makes of the rows of a step those that the next part gets.
#pragma once

#include "core/recurrent/batch.h"
#include "core/runtime/interrupt.h"

namespace pyrnn {

// The rows that take part in a step of a stream.
struct ActiveRows {
  Index count;
  const Index* of = nullptr;             // [count], ascending: which of the stream's; null: all
  const std::uint8_t* resets = nullptr;  // [rows of the stream]: those that begin again, whether they take part or not
  bool are_all() const { return !of && !resets; }
  Index row(Index j) const { return of ? of[j] : j; }
};

// The steps of a chunk, and before which of them rows begin again.
struct ChunkSteps {
  Index steps, rows;
  const std::uint8_t* resets = nullptr;  // [steps][rows]; null: before none
  Index count() const { return steps * rows; }
};

template <class T>
class ChainPart {
 public:
  virtual ~ChainPart() = default;
  virtual Index inputs() const = 0;  // columns of x
  virtual Index outputs() const = 0;  // columns of y
  // What a step of that many rows costs, in multiply-adds.
  virtual double work(Index rows) const = 0;
  // Whether y may lie where x does: all of x has been read before y is written.
  virtual bool reads_first() const { return false; }

  // x [count][inputs] -> y [count][outputs]. The states that it leads to become the stream's with keep alone, so that
  // whatever fails before leaves them as they were.
  virtual void step(const ActiveRows& rows, const T* x, T* y) = 0;
  virtual void keep(const ActiveRows&) noexcept {}
  // The same for all steps of a chunk, with the bits of single steps: x [steps][rows][inputs], y likewise.
  virtual void run(const ChunkSteps& chunk, const T* x, Strides x_strides, T* y, int threads,
                   Interrupt::Check check) = 0;
  virtual void keep_run() noexcept {}
};

}  // namespace pyrnn
