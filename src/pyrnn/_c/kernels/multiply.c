/* y = y * x, element by element */
static void model_multiply(const float* x, int count, float* y) {
  for (int j = 0; j < count; ++j) y[j] *= x[j];
}
