/* The mean of zoneout (Krueger et al. 2016): y = (1 - p) x + p y, of the new x and the old y. */
static void model_zoneout(float p, const float* x, int count, float* y) {
  for (int j = 0; j < count; ++j) y[j] = (1.0f - p) * x[j] + p * y[j];
}
