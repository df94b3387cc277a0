/* y = (x - mean) / sqrt(variance + eps); y may be x. */
static void model_normalise(const float* x, int count, float eps, float* y) {
  float mean = 0.0f, variance = 0.0f;
  for (int j = 0; j < count; ++j) mean += x[j];
  mean /= (float)count;
  for (int j = 0; j < count; ++j) variance += (x[j] - mean) * (x[j] - mean);
  variance /= (float)count;
  for (int j = 0; j < count; ++j) y[j] = (x[j] - mean) / sqrtf(variance + eps);
}
