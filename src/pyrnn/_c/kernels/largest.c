/* y = max(y, x), or x of the first step; NaN counts as the largest. */
static void model_largest(int is_first, const float* x, int count, float* y) {
  for (int j = 0; j < count; ++j)
    if (is_first || x[j] > y[j] || isnan(x[j])) y[j] = x[j];
}
