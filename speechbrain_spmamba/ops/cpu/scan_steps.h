/* A tile of the selective scan, forward: what the scan by itself and the whole
path have in common. */

#ifndef SPMAMBA_SCAN_STEPS_H
#define SPMAMBA_SCAN_STEPS_H

#include "scan.h"

/* y of a tile without its gate, which may take the place of u; `state` is
carried from tile to tile. */
INLINE void run_steps(const tile *t, lanes *state, const scan_args *s,
                      int states, int bounded) {
  int64_t width = padded(s->channels), count = t->count;
  const float *B = t->B.data, *C = t->C.data, *rates = s->A2 + t->channel;
  for (int64_t i = 0; i < count; i++, B += t->B.stride, C += t->C.stride) {
    const float *A2 = rates;
    lanes step, drive, y = {0};
    EACH_VEC(v) {
      vec u = t->u[i][v];
      if (s->D) y[v] = load(s->D + t->channel + v * WIDTH) * u;
      step[v] = t->step[i][v];
      drive[v] = step[v] * u;
    }
    for (int n = 0; n < states; n++, A2 += width)
      EACH_VEC(v) {
        vec rate = load(A2 + v * WIDTH);
        vec decay = bounded ? exp2_bounded(step[v], rate)
                            : exp2_any(step[v], rate);
        state[n][v] = decay * state[n][v] + drive[v] * B[n];
        y[v] += state[n][v] * C[n];
      }
    EACH_VEC(v) t->y[i][v] = y[v];
  }
}

INLINE void gate(const tile *t) {
  for (int64_t i = 0; i < t->count; i++)
    EACH_VEC(v) {
      vec z = t->z[i][v];
      t->y[i][v] *= z * sigmoid(z);
    }
}

INLINE void scan_tile(
    const tile *t, lanes *state, const scan_args *s, int states) {
  make_steps(t, s);
  if (is_bounded(t, s, states))
    run_steps(t, state, s, states, 1);
  else
    run_steps(t, state, s, states, 0);
  if (t->z) gate(t);
}

/* Writes the state before a tile to its checkpoint, if there are any. */
INLINE void keep_state(const lanes *state, const scan_args *s, int64_t item,
                       int64_t index, int64_t channel, int states) {
  int64_t width = padded(s->channels), count = (s->length + TILE - 1) / TILE;
  if (!s->checkpoints) return;
  float *kept = s->checkpoints + channel;
  kept += (item * count + index) * states * width;
  for (int n = 0; n < states; n++, kept += width)
    EACH_VEC(v) store(kept + v * WIDTH, state[n][v]);
}

#endif
