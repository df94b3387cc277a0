/* y = a row of a matrix in bfloat16 */
static void model_row_bf16(const unsigned short* w, int size, float* y) {
  for (int i = 0; i < size; ++i) y[i] = model_widen(w[i]);
}
