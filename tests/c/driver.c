/* Runs a model from export_c: `driver STEPS` reads x from stdin and writes y of a run, the state after it, and y of
 * as many steps. What the model gets lies in memory of exactly its size, which was never written before. */
#include MODEL_FILE

#include <stdio.h>
#include <stdlib.h>

#ifdef TAKES_IDS
typedef int input;
enum { INPUTS = 1 };
#else
typedef NUMBER input;
enum { INPUTS = MODEL_INPUTS };
#endif

static void* memory(size_t count, size_t size) {
  void* found = malloc(count * size + !count);
  if (!found) exit(2);
  return found;
}

int main(int argc, char** argv) {
  const int steps = argc > 1 ? atoi(argv[1]) : 0;
  const size_t count = (size_t)steps;
  const size_t outputs = MODEL_OUTPUTS * (ENDS_TIME ? 1 : count);
  input* x = (input*)memory(count * INPUTS, sizeof(input));
  NUMBER* y = (NUMBER*)memory(outputs, sizeof(NUMBER));
  model_state* state = (model_state*)memory(1, sizeof(model_state));
  if (fread(x, sizeof(input) * INPUTS, count, stdin) != count) return 2;
  model_reset(state);
#ifdef MODEL_WORK
  NUMBER* work = (NUMBER*)memory(MODEL_WORK(count), sizeof(NUMBER));
  model_run(state, x, steps, y, work);
  free(work);
#else
  model_run(state, x, steps, y);
#endif
  fwrite(y, sizeof(NUMBER), outputs, stdout);
#ifdef HAS_STATE
  fwrite(state, sizeof(model_state), 1, stdout);
#endif
#ifdef HAS_STEP
  model_reset(state);
  for (int t = 0; t < steps; ++t) {
#ifdef TAKES_IDS
    model_step(state, x[t], y);
#else
    model_step(state, x + t * INPUTS, y);
#endif
    fwrite(y, sizeof(NUMBER), MODEL_OUTPUTS, stdout);
  }
#endif
  free(x);
  free(y);
  free(state);
  return 0;
}
