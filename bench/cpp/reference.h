// SPDX-License-Identifier: Apache-2.0
// The plain double-precision loops that kernels are compared with, and the rounding that they may differ by.
#pragma once

#include <cmath>
#include <limits>

#include "bench.h"
#include "core/recurrent/shape.h"

namespace pyrnn::bench {

enum class Cell { rnn_tanh, lstm, gru };  // those that are measured

// A sum of products, and the sum of their magnitudes, which bounds its rounding.
struct Sum {
  double value = 0, magnitude = 0;
  Index terms = 0;
  void add(double a, double b = 1) {
    value += a * b;
    magnitude += std::abs(a * b);
    ++terms;
  }
};

// A chain of n roundings errs by at most n * eps/2 * magnitude; the other half is for the reference, where it is of the
// same precision, and for what the arithmetic of a cell makes of an error in its sums.
template <class T>
double rounding_of(const Sum& sum) {
  return std::numeric_limits<T>::epsilon() * static_cast<double>(sum.terms) * sum.magnitude;
}

// The gates' own arithmetic and activations: a handful of roundings of values around 1, 5 ulp for a tanh.
template <class T>
constexpr double kCellRounding = 16 * std::numeric_limits<T>::epsilon();

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct State {
  double h, c;
};

// One unit's step from its sums over x and over h, each with its bias, in torch's order of gates.
inline State cell_forward(Cell cell, const Sum (&x)[4], const Sum (&h)[4], State previous) {
  const auto both = [&](int gate) { return x[gate].value + h[gate].value; };
  if (cell == Cell::rnn_tanh) return {std::tanh(both(0)), 0};
  if (cell == Cell::lstm) {
    const double c = sigmoid(both(1)) * previous.c + sigmoid(both(0)) * std::tanh(both(2));
    return {sigmoid(both(3)) * std::tanh(c), c};
  }
  const double z = sigmoid(both(1)), n = std::tanh(x[2].value + sigmoid(both(0)) * h[2].value);
  return {(1 - z) * n + z * previous.h, 0};
}

// The gradients before the activations, from the saved gates; both slot by slot, as the gate buffer holds them.
inline void cell_backward(Cell cell, const double (&gate)[4], State previous, State now, State d, double (&out)[4]) {
  if (cell == Cell::rnn_tanh) {
    out[0] = d.h * (1 - now.h * now.h);
  } else if (cell == Cell::lstm) {
    const double i = gate[0], g = gate[1], o = gate[2], f = gate[3], t = std::tanh(now.c);
    const double dc = d.c + d.h * o * (1 - t * t);
    out[0] = dc * g * i * (1 - i);
    out[1] = dc * i * (1 - g * g);
    out[2] = d.h * t * o * (1 - o);
    out[3] = dc * previous.c * f * (1 - f);
  } else {
    const double n = gate[0], r = gate[1], z = gate[2], w_hn_h = gate[3];
    out[0] = d.h * (1 - z) * (1 - n * n);
    out[1] = out[0] * w_hn_h * r * (1 - r);
    out[2] = d.h * (previous.h - n) * z * (1 - z);
    out[3] = out[0] * r;
  }
}

}  // namespace pyrnn::bench
