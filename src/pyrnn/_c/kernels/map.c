/* y = f(x), element by element */
static void model_map(float (*f)(float), const float* x, int count, float* y) {
  for (int j = 0; j < count; ++j) y[j] = f(x[j]);
}
