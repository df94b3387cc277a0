typedef struct {
  int rows, columns;
  const signed char* weight; /* [rows][columns] */
  const float* scale; /* [rows]; a row of W is scale times weight */
  const float* bias; /* [rows]; 0: none */
  const float* gain; /* [rows]; 0: W x is not normalised */
} model_matrix;

/* y = W x + b, or y = LN(W x) gain + b, of x rounded to r times integers: all sums are of integers */
static void model_affine(const model_matrix* m, const float* x, float* y) {
  signed char numbers[MODEL_COLUMNS];
  const float r = model_rounded(x, m->columns, numbers);
  for (int i = 0; i < m->rows; ++i) {
    const signed char* w = m->weight + i * m->columns;
    int sum = 0;
    for (int j = 0; j < m->columns; ++j) sum += w[j] * numbers[j];
    y[i] = (float)sum * (m->scale[i] * r);
  }
  model_finish(m->gain, m->bias, m->rows, y);
}
