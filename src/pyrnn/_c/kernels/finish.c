/* y = y + b, or y = LN(y) gain + b with LN(a) = (a - mean) / sqrt(variance + 1e-5) (Ba et al. 2016) */
static void model_finish(const float* gain, const float* bias, int size, float* y) {
  if (gain) {
    model_normalise(y, size, 1e-5f, y);
    model_multiply(gain, size, y);
  }
  if (bias) model_add(bias, size, y);
}
