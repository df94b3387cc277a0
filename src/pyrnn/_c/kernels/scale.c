/* y = factor * y */
static void model_scale(float factor, int count, float* y) {
  for (int j = 0; j < count; ++j) y[j] *= factor;
}
