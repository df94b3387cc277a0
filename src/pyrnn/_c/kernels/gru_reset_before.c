/* Cho et al. 2014, the reset gate before the product; w_hh has the rows of r and z, w_hn those of n:
 *   r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)
 *   n = tanh(W_in x + b_in + W_hn (r h) + b_hn)
 *   y = (1 - z) n + z h
 * y may be h. */
static void model_gru_reset_before(const model_cell* cell, const model_matrix* w_hn, const float* x, const float* h,
                                   float* y) {
  const int H = cell->units;
  float a[3 * MODEL_UNITS], b[2 * MODEL_UNITS], n[MODEL_UNITS];
  model_affine(&cell->w_ih, x, a);
  model_affine(&cell->w_hh, h, b);
  for (int j = 0; j < H; ++j) b[j] = model_sigmoid(a[j] + b[j]) * h[j]; /* r h */
  model_affine(w_hn, b, n);
  for (int j = 0; j < H; ++j) {
    const float z = model_sigmoid(a[H + j] + b[H + j]);
    y[j] = (1.0f - z) * tanhf(a[2 * H + j] + n[j]) + z * h[j];
  }
}
