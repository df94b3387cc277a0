typedef struct {
  int rows, columns;
  const float* weight; /* [rows][columns] */
  const float* bias; /* [rows]; 0: none */
} model_matrix;

/* y = W x + b */
static void model_affine(const model_matrix* m, const float* x, float* y) {
  for (int i = 0; i < m->rows; ++i) {
    const float* w = m->weight + i * m->columns;
    float sum = m->bias ? m->bias[i] : 0.0f;
    for (int j = 0; j < m->columns; ++j) sum += w[j] * x[j];
    y[i] = sum;
  }
}
