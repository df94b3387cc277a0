/* max(a, 0); NaN stays. */
static float model_relu(float a) { return a < 0.0f ? 0.0f : a; }
