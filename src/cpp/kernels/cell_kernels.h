// SPDX-License-Identifier: Apache-2.0
// A cell: one row of the table in cells.h. Core and bindings learn everything about the cell from this row.
#pragma once

#include "kernels/step_kernels.h"

namespace pyrnn::kernels {

// The slots of the gate buffer that belong to a weight matrix.
struct Slots {
  int first;    // of the buffer's four
  int count;
  int gate[4];  // torch's number of the gate in each of them
};

// A gate whose W_hh h does not simply join its W_ih x, since another gate acts on it first.
enum class Candidate {
  none,
  gated_sum,    // GRU, reset after: r*(W_hn h + b_hn). The sum has the last slot of W_hh, b_hn is packed by itself.
  gated_state,  // GRU, reset before: W_hn (r*h). W_hn is a matrix by itself, its sum joins slot 0 in a later phase.
};

// Weights p that add p*c to a gate before its activation.
struct Peepholes {
  int count;
  int slot[4];      // of the gate buffer; the last one is what coupled gates lack
  int gate[4];      // which H of weight_peephole's numbers
  bool of_new[4];   // p*c' of the step itself, rather than p*c of the step before
};

struct Cell {
  const char* name;                      // in Python's Stack(name, ...)
  Slots x;                               // W_ih; one slot alone takes four vectors of units
  Slots h;                               // W_hh, without a candidate of gated_state
  Candidate candidate = Candidate::none;
  int candidate_gate = 0;                // torch's number
  bool adds_biases = true;               // b_ih + b_hh: one alone would do
  bool has_c = false;                    // a second state c
  bool h_passes_gates = false;           // dh_{t-1} has a part that W_hh does not send; backward leaves it in d_h
  Peepholes peepholes = {};              // with the option
  bool lstm_options = false;             // may have what LstmOptions names
  bool may_normalise = false;            // may have layer normalisation
  bool may_project = false;
};

constexpr int kMostPhases = 3;

// A step is done phase by phase: each needs what the one before has made of all units, so that members that share the
// units wait for each other in between. Null pointers follow the last phase.
template <class Step>
using Phase = void (*)(const Step&) noexcept;

template <class T, class W = T>
struct CellKernels {
  Cell cell;
  Phase<StepForward<T, W>> forward[kMostPhases + 1];
  Phase<StepBackward<T>> backward[kMostPhases + 1];
};

}  // namespace pyrnn::kernels
