/* Cho et al. 2014, the reset gate after the product, as torch and cuDNN have it:
 *   r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)    (each with its own rows, in the order r, z, n)
 *   n = tanh(W_in x + b_in + r (W_hn h + b_hn))
 *   y = (1 - z) n + z h
 * y may be h. */
static void model_gru(const model_cell* cell, const float* x, const float* h, float* y) {
  const int H = cell->units;
  float a[3 * MODEL_UNITS], b[3 * MODEL_UNITS];
  model_affine(&cell->w_ih, x, a);
  model_affine(&cell->w_hh, h, b);
  for (int j = 0; j < H; ++j) {
    const float r = model_sigmoid(a[j] + b[j]);
    const float z = model_sigmoid(a[H + j] + b[H + j]);
    const float n = tanhf(a[2 * H + j] + r * b[2 * H + j]);
    y[j] = (1.0f - z) * n + z * h[j];
  }
}
