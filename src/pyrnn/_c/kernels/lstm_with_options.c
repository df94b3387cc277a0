typedef struct {
  int coupled_gates; /* f = 1 - i; there are no rows of f */
  float cell_clip; /* bound of c; 0: none */
  const float* peephole; /* [3][H] of i, f, o; 0: none */
  const float* c_gain; /* [H]; 0: c is not normalised */
  const float* c_bias; /* [H]; 0: none */
} model_lstm_options;

/* Hochreiter & Schmidhuber 1997 with options; a = W_ih x + b_ih + W_hh h + b_hh:
 *   i = sigmoid(a + p_i c)    f = sigmoid(a + p_f c), or 1 - i    g = tanh(a)
 *   c = f c + i g, within -cell_clip..cell_clip
 *   o = sigmoid(a + p_o c)
 *   y = o tanh(c), or o tanh(LN(c) gain + bias)
 * y may be h. */
static void model_lstm_with_options(const model_cell* cell, const model_lstm_options* options, const float* x,
                                    const float* h, float* c, float* y) {
  const int H = cell->units;
  const int g_rows = options->coupled_gates ? H : 2 * H, o_rows = g_rows + H;
  const float clip = options->cell_clip;
  const float* p = options->peephole;
  float a[4 * MODEL_UNITS], b[4 * MODEL_UNITS], seen[MODEL_UNITS];
  model_affine(&cell->w_ih, x, a);
  model_affine(&cell->w_hh, h, b);
  for (int j = 0; j < cell->w_ih.rows; ++j) a[j] += b[j];
  for (int j = 0; j < H; ++j) {
    const float i = model_sigmoid(a[j] + (p ? p[j] * c[j] : 0.0f));
    const float free_f = model_sigmoid(a[H + j] + (p ? p[H + j] * c[j] : 0.0f));
    const float f = options->coupled_gates ? 1.0f - i : free_f;
    c[j] = f * c[j] + i * tanhf(a[g_rows + j]);
    if (clip > 0.0f && c[j] > clip) c[j] = clip;
    if (clip > 0.0f && c[j] < -clip) c[j] = -clip;
    seen[j] = c[j];
  }
  if (options->c_gain) {
    model_normalise(c, H, 1e-5f, seen);
    model_multiply(options->c_gain, H, seen);
  }
  if (options->c_bias) model_add(options->c_bias, H, seen);
  for (int j = 0; j < H; ++j) {
    const float o = model_sigmoid(a[o_rows + j] + (p ? p[2 * H + j] * c[j] : 0.0f));
    y[j] = o * tanhf(seen[j]);
  }
}
