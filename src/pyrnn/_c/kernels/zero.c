/* y = 0 */
static void model_zero(int count, float* y) {
  for (int j = 0; j < count; ++j) y[j] = 0.0f;
}
