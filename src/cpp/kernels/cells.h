// SPDX-License-Identifier: Apache-2.0
// The table of all cells. A new cell needs a header with its equations, and a row here.
#pragma once

#include "kernels/cell_kernels.h"
#include "kernels/gru.h"
#include "kernels/lstm.h"
#include "kernels/rnn.h"

namespace pyrnn::kernels {
namespace {

template <class T, class W>
constexpr CellKernels<T, W> kCells[] = {
    {.cell = {.name = "rnn_tanh", .x = {0, 1, {0}}, .h = {0, 1, {0}}},
     .forward = {rnn_forward<Tanh, T, W>},
     .backward = {rnn_backward<Tanh, T, T>}},

    {.cell = {.name = "rnn_relu", .x = {0, 1, {0}}, .h = {0, 1, {0}}},
     .forward = {rnn_forward<Relu, T, W>},
     .backward = {rnn_backward<Relu, T, T>}},

    {.cell = {.name = "rnn_sigmoid", .x = {0, 1, {0}}, .h = {0, 1, {0}}},
     .forward = {rnn_forward<Sigmoid, T, W>},
     .backward = {rnn_backward<Sigmoid, T, T>}},

    {.cell = {.name = "rnn_identity", .x = {0, 1, {0}}, .h = {0, 1, {0}}},
     .forward = {rnn_forward<Identity, T, W>},
     .backward = {rnn_backward<Identity, T, T>}},

    // torch: i, f, g, o
    {.cell = {.name = "lstm",
              .x = {LstmSlot::i, 4, {0, 2, 3, 1}},
              .h = {LstmSlot::i, 4, {0, 2, 3, 1}},
              .has_c = true,
              .peepholes = {3, {LstmSlot::i, LstmSlot::o, LstmSlot::f}, {0, 2, 1}, {false, true, false}},
              .lstm_options = true,
              .may_normalise = true,
              .may_project = true},
     .forward = {lstm_forward<T, W>},
     .backward = {lstm_backward<T, T>}},

    // torch: r, z, n
    {.cell = {.name = "gru",
              .x = {GruSlot::n, 3, {2, 0, 1}},
              .h = {GruSlot::r, 3, {0, 1, 2}},
              .candidate = Candidate::gated_sum,
              .candidate_gate = 2,
              .adds_biases = false,
              .h_passes_gates = true,
              .may_normalise = true},
     .forward = {gru_forward<T, W>},
     .backward = {gru_backward<T, T>}},

    {.cell = {.name = "gru_reset_before",
              .x = {GruSlot::n, 3, {2, 0, 1}},
              .h = {GruSlot::r, 2, {0, 1}},
              .candidate = Candidate::gated_state,
              .candidate_gate = 2,
              .h_passes_gates = true},
     .forward = {gru_before_reset<T, W>, gru_before_candidate<T, W>},
     .backward = {gru_before_backward_candidate<T, T>, gru_before_backward_reset<T, T>}},
};

}  // namespace
}  // namespace pyrnn::kernels
