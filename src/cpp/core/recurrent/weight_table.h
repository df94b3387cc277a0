// SPDX-License-Identifier: Apache-2.0
// The weights of one layer and direction. Each has one entry: its name and shape, its division into panels, and its
// pointers in the caller's arrays, the packed copies and the gradients. Allocating, packing, clearing, adding, the
// checks of the bindings and Python's list of parameters all walk this table.
#pragma once

#include "core/recurrent/shape.h"

namespace pyrnn {

// One pointer for each weight; null where there is none. M: what matrices are made of.
//
//              the caller's array       packed                       gradient
// matrix       [rows][columns]          kernels::PackForward         kernels::WeightGradient: with a column of ones
//                                       or PackBackward              beside it, which sums the gradient of its bias
// bias         [rows]                   the sums start with it,      that column; with layer normalisation
//                                       PackedWeights::Direction     [panel][slots*block]
// unit by unit [rows]                   [panel][slots*block]         [panel][slots*block]
template <class T, class M = T>
struct Weights {
  M* w_ih;      // [G*H][I of the layer]
  M* w_hh;      // [G*H][P]; Candidate::gated_state: packed, and as a gradient, without W_hn,
  M* w_hn;      // which is apart: [H][H], its rows those of the candidate; of the caller, the same array as w_hh
  T* b_ih;      // [G*H]
  T* b_hh;      // [G*H]
  M* w_hr;      // with projection [P][H]
  T* peephole;  // a gate after the other, as torch orders them: LSTM i, f, o [3*H], with coupled gates i, o [2*H]
  T* ln_ih;     // layer normalisation: the gains of W_ih x [G*H],
  T* ln_hh;     // of W_hh h [G*H]
  T* ln_c;      // and of c [H],
  T* b_ln_c;    // to which this is added [H]
};

enum class WeightKind { matrix, bias, unit_by_unit };

// What a parameter of a new layer is filled with.
enum class Initial { uniform, ones, zeros };

template <WeightKind kind>
struct Weight {
  const char* name;  // torch's, without layer and direction; null: a part of the matrix before it
  Index rows;
  Index columns;  // of a matrix, else 0
  kernels::PanelMap map;
  Initial initial = Initial::uniform;
};

// Calls f(weight, its pointer in each of `of`) for all weights that the layer has, in the order of the caller's arrays,
// which is torch's.
template <class F, class... Of>
void for_each_weight(const StackShape& shape, const CellMaps& maps, Index layer, F&& f, Of&... of) {
  using Matrix = Weight<WeightKind::matrix>;
  using Bias = Weight<WeightKind::bias>;
  using Units = Weight<WeightKind::unit_by_unit>;
  const Index I = shape.layer_input(layer), P = shape.output(), H = shape.hidden, GH = shape.gates() * H;
  const bool norm = shape.options.layer_norm, norm_of_c = norm && shape.has_c();
  f(Matrix{"weight_ih", GH, I, maps.x}, of.w_ih...);
  f(Matrix{"weight_hh", GH, P, maps.h}, of.w_hh...);
  if (shape.gates_state()) f(Matrix{nullptr, H, H, maps.candidate}, of.w_hn...);
  if (shape.bias) f(Bias{"bias_ih", GH, 0, maps.x}, of.b_ih...);
  if (shape.bias && !shape.options.single_bias) f(Bias{"bias_hh", GH, 0, maps.h}, of.b_hh...);
  if (shape.proj) f(Matrix{"weight_hr", P, H, maps.proj}, of.w_hr...);
  if (shape.options.peephole) f(Units{"weight_peephole", maps.peephole.slots * H, 0, maps.peephole}, of.peephole...);
  if (norm) f(Units{"weight_ln_ih", GH, 0, maps.x, Initial::ones}, of.ln_ih...);
  if (norm) f(Units{"weight_ln_hh", GH, 0, maps.h, Initial::ones}, of.ln_hh...);
  if (norm_of_c) f(Units{"weight_ln_c", H, 0, maps.units, Initial::ones}, of.ln_c...);
  if (norm_of_c && shape.bias) f(Units{"bias_ln_c", H, 0, maps.units, Initial::zeros}, of.b_ln_c...);
}

}  // namespace pyrnn
