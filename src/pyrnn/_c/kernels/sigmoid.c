/* 1 / (1 + exp(-a)) */
static float model_sigmoid(float a) { return 1.0f / (1.0f + expf(-a)); }
