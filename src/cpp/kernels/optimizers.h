// SPDX-License-Identifier: Apache-2.0
// One step of an optimizer on a range of a parameter, by torch's equations.
#pragma once

#include "kernels/elementwise_kernels.h"
#include "kernels/parts.h"
#include "kernels/vmath.h"

namespace pyrnn::kernels {
namespace {

// g += weight_decay*p;  buffer = momentum*buffer + (1 - dampening)*g, the first time g;
// g = g + momentum*buffer (Nesterov) or buffer;  p -= lr*g
template <class T>
void sgd_step(const SgdStep<T>& s) noexcept {
  const Vec<T> lr = broadcast(s.lr), momentum = broadcast(s.momentum), undamped = broadcast(s.undamped);
  const Vec<T> weight_decay = broadcast(s.weight_decay);
  for_each_part<T>(s.count, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> p = part.load(s.p + i);
    Vec<T> g = fma(weight_decay, p, part.load(s.g + i));
    if (s.momentum_buffer) {
      const Vec<T> buffer = s.first ? g : fma(momentum, part.load(s.momentum_buffer + i), undamped * g);
      part.store(s.momentum_buffer + i, buffer);
      g = s.nesterov ? fma(momentum, buffer, g) : buffer;
    }
    part.store(s.p + i, fma(-lr, g, p));
  });
}

// m += (1 - beta1)*(g - m);  v = beta2*v + (1 - beta2)*g^2;  d = sqrt(v)/root_correction + eps
// p -= step_size * m / d, and gradient_size * g / d;  AMSGrad: d of v_max = max(v_max, v)
template <class T, bool kAmsgrad>
void adam_loop(const AdamStep<T>& s) noexcept {
  const Vec<T> m_rate = broadcast(s.m_rate), beta2 = broadcast(s.beta2), v_rate = broadcast(s.v_rate);
  const Vec<T> step_size = broadcast(s.step_size), gradient_size = broadcast(s.gradient_size);
  const Vec<T> root_correction = broadcast(s.root_correction);
  const Vec<T> weight_decay = broadcast(s.weight_decay), keep = broadcast(s.keep), eps = broadcast(s.eps);
  for_each_part<T>(s.count, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> p = part.load(s.p + i);
    const Vec<T> g = fma(weight_decay, p, part.load(s.g + i));
    const Vec<T> m = fma(m_rate, g - part.load(s.m + i), part.load(s.m + i));
    Vec<T> v = fma(v_rate * g, g, beta2 * part.load(s.v + i));
    part.store(s.m + i, m);
    part.store(s.v + i, v);
    if constexpr (kAmsgrad) {
      v = at_least(part.load(s.v_max + i), v);
      part.store(s.v_max + i, v);
    }
    const Vec<T> d = vsqrt(v) / root_correction + eps, next = fma(-step_size, m / d, keep * p);
    part.store(s.p + i, s.gradient_size != T(0) ? fma(-gradient_size, g / d, next) : next);
  });
}
template <class T>
void adam_step(const AdamStep<T>& s) noexcept {
  s.v_max ? adam_loop<T, true>(s) : adam_loop<T, false>(s);
}

// g += weight_decay*p;  square_avg = alpha*square_avg + square_rate*g^2;  u = g / (sqrt(square_avg) + eps)
// buffer = momentum*buffer + u, u = buffer (with momentum);  p -= lr*u
// Centred: grad_avg += square_rate*(g - grad_avg), and square_avg - grad_avg^2, at least 0, below the root.
template <class T, bool kCentred>
void rmsprop_loop(const RmspropStep<T>& s) noexcept {
  const Vec<T> lr = broadcast(s.lr), alpha = broadcast(s.alpha), square_rate = broadcast(s.square_rate);
  const Vec<T> eps = broadcast(s.eps), momentum = broadcast(s.momentum), weight_decay = broadcast(s.weight_decay);
  for_each_part<T>(s.count, [&](Index i, auto part) __attribute__((always_inline)) {
    const Vec<T> p = part.load(s.p + i);
    const Vec<T> g = fma(weight_decay, p, part.load(s.g + i));
    Vec<T> square_avg = fma(square_rate * g, g, alpha * part.load(s.square_avg + i));
    part.store(s.square_avg + i, square_avg);
    if constexpr (kCentred) {
      const Vec<T> before = part.load(s.grad_avg + i), grad_avg = fma(square_rate, g - before, before);
      part.store(s.grad_avg + i, grad_avg);
      square_avg = at_least(broadcast(T(0)), fma(-grad_avg, grad_avg, square_avg));
    }
    Vec<T> update = g / (vsqrt(square_avg) + eps);
    if (s.momentum_buffer) {
      update = fma(momentum, part.load(s.momentum_buffer + i), update);
      part.store(s.momentum_buffer + i, update);
    }
    part.store(s.p + i, fma(-lr, update, p));
  });
}
template <class T>
void rmsprop_step(const RmspropStep<T>& s) noexcept {
  s.grad_avg ? rmsprop_loop<T, true>(s) : rmsprop_loop<T, false>(s);
}

template <class T>
void scale(T* a, Index count, T factor) noexcept {
  for_each_part<T>(
      count, [&](Index i, auto part) __attribute__((always_inline)) { part.store(a + i, part.load(a + i) * factor); });
}

}  // namespace
}  // namespace pyrnn::kernels
