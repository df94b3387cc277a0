/* y = exp(x - max x) / sum exp(x - max x) */
static void model_softmax(const float* x, int count, float* y) {
  float largest = x[0], sum = 0.0f;
  for (int j = 1; j < count; ++j)
    if (x[j] > largest) largest = x[j];
  for (int j = 0; j < count; ++j) {
    y[j] = expf(x[j] - largest);
    sum += y[j];
  }
  for (int j = 0; j < count; ++j) y[j] /= sum;
}
