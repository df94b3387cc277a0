/* y = a row of a matrix, scale times integers */
static void model_row_int8(const signed char* w, float scale, int size, float* y) {
  for (int i = 0; i < size; ++i) y[i] = (float)w[i] * scale;
}
