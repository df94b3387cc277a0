/* Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; a = W_ih x + b_ih + W_hh h + b_hh:
 *   i, f, o = sigmoid(a)    g = tanh(a)    (each with its own rows, in the order i, f, g, o)
 *   c = f c + i g
 *   y = o tanh(c)
 * y may be h. */
static void model_lstm(const model_cell* cell, const float* x, const float* h, float* c, float* y) {
  const int H = cell->units;
  float a[4 * MODEL_UNITS], b[4 * MODEL_UNITS];
  model_affine(&cell->w_ih, x, a);
  model_affine(&cell->w_hh, h, b);
  for (int j = 0; j < H; ++j) {
    const float i = model_sigmoid(a[j] + b[j]);
    const float f = model_sigmoid(a[H + j] + b[H + j]);
    const float g = tanhf(a[2 * H + j] + b[2 * H + j]);
    const float o = model_sigmoid(a[3 * H + j] + b[3 * H + j]);
    c[j] = f * c[j] + i * g;
    y[j] = o * tanhf(c[j]);
  }
}
