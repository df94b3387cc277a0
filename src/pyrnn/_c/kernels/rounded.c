/* x as r times integers from -127 to 127: gives r = max |x| / 127; NaN if a number of x is not finite */
static float model_rounded(const float* x, int size, signed char* numbers) {
  float largest = 0.0f, invalid = 0.0f;
  for (int j = 0; j < size; ++j) {
    if (fabsf(x[j]) > largest) largest = fabsf(x[j]);
    invalid += x[j] - x[j];
  }
  /* of numbers so small that 1 / r would be infinite: zeros */
  const float per_r = invalid == 0.0f && largest >= 1.5046328e-36f ? 127.0f / largest : 0.0f;
  for (int j = 0; j < size; ++j) numbers[j] = per_r > 0.0f ? (signed char)rintf(x[j] * per_r) : 0;
  return largest / 127.0f + invalid;
}
