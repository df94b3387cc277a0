// SPDX-License-Identifier: Apache-2.0
// The stream of a Python object: who may use it, and the step that both ways into it take.
#pragma once

#include "bindings/recurrent/stack_arguments.h"
#include "bindings/runtime/interrupt.h"

namespace pyrnn::bindings {

// A stream has one state: two calls at a time would mix two sequences.
class Busy {
 public:
  explicit Busy(InUse& stream) : stream_(stream) {
    if (!stream_.take())
      throw std::runtime_error("Stream: another thread is in a call on this stream, expected one call at a time");
  }
  ~Busy() { stream_.release(); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  InUse& stream_;
};

// A step between arrays that were checked.
template <class T>
void take_step(StreamObject& object, Stream<T>& stream, const T* x, T* y) {
  const Busy busy(object.busy);
  if (stream.long_step())
    without_gil([&] { stream.step(x, y); });
  else
    stream.step(x, y);
}

// Gives the type its method step. What step cannot take as it is, it hands to self._checked_step(x_t, out).
void add_step(const py::class_<StreamObject>& type);

}  // namespace pyrnn::bindings
