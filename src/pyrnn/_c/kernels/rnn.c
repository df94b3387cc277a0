/* Elman 1990:
 *   y = f(W_ih x + b_ih + W_hh h + b_hh)
 * y may be h. */
static void model_rnn(const model_cell* cell, float (*f)(float), const float* x, const float* h, float* y) {
  float a[MODEL_UNITS], b[MODEL_UNITS];
  model_affine(&cell->w_ih, x, a);
  model_affine(&cell->w_hh, h, b);
  for (int j = 0; j < cell->units; ++j) y[j] = f(a[j] + b[j]);
}
