typedef struct {
  int rows, columns;
  const float* weight; /* [rows][columns] */
  const float* bias; /* [rows]; 0: none */
  const float* gain; /* [rows]; 0: W x is not normalised */
} model_matrix;

/* y = W x + b, or y = LN(W x) gain + b */
static void model_affine(const model_matrix* m, const float* x, float* y) {
  for (int i = 0; i < m->rows; ++i) {
    const float* w = m->weight + i * m->columns;
    y[i] = 0.0f;
    for (int j = 0; j < m->columns; ++j) y[i] += w[j] * x[j];
  }
  model_finish(m->gain, m->bias, m->rows, y);
}
