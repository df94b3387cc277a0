/* y = x */
static void model_copy(const float* x, int count, float* y) {
  for (int j = 0; j < count; ++j) y[j] = x[j];
}
