// SPDX-License-Identifier: Apache-2.0
// The stream of a Python object: the check that it is free, and the step that both of its callers share.
#pragma once

#include "bindings/recurrent/stack_arguments.h"
#include "bindings/runtime/interrupt.h"

namespace pyrnn::bindings {

// A stream has one state: two calls at a time would mix two sequences.
class Busy {
 public:
  explicit Busy(InUse& stream) : stream_(stream), taken_in_(fork_count()) {
    if (!stream_.take())
      throw std::runtime_error("Stream: another thread is in a call on this stream, expected one call at a time");
  }
  ~Busy() { stream_.release(taken_in_); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  InUse& stream_;
  const int taken_in_;
};

// A step between arrays that were checked, before which some rows begin again (null: none). The pins cost as much as a
// small step, in which nobody else runs.
template <class T, class W>
void take_step(StreamObject& object, Stream<T, W>& stream, const py::array& x, const py::array& y,
               const std::uint8_t* resets) {
  const Busy busy(object.busy);
  const auto step = [&, from = static_cast<const T*>(x.data()), to = static_cast<T*>(const_cast<void*>(y.data()))] {
    stream.step(from, to);
  };
  if (!stream.long_step()) {
    if (resets) stream.reset(resets);
    return step();
  }
  const Pinned x_stays(x), y_stays(y);
  if (resets) stream.reset(resets);
  without_gil(step);
}

// Gives the type its method step. What step cannot take as it is, it hands to self._checked_step(x_t, out, resets).
void add_step(const py::class_<StreamObject>& type);

}  // namespace pyrnn::bindings
