/* A number in bfloat16, the upper half of a float */
static float model_widen(unsigned short bits) {
  const unsigned whole = (unsigned)bits << 16;
  float number;
  memcpy(&number, &whole, sizeof number);
  return number;
}
