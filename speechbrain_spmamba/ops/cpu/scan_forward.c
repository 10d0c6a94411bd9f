/* The selective scan, forward. A task is one sequence of the batch and LANES of
its channels: their states never leave the registers. */

#include "scan.h"

/* Grows with every change of a structure or of a function's arguments: Python
refuses a library that was built from other sources. */
int64_t spmamba_interface(void) { return 1; }

int64_t spmamba_tile(void) { return TILE; }

INLINE void skip_and_gate(tiles *t, const scan_args *s, const place *at) {
  for (int64_t i = 0; i < at->count; i++) {
    if (s->D) EACH_LANE(j) t->y[i][j] += s->D[at->channel + j] * t->u[i][j];
    if (s->z.data)
      EACH_LANE(j) t->y[i][j] *= t->z[i][j] * sigmoid_lane(t->z[i][j]);
  }
}

/* y of a tile without skip and gate; `state` is carried from tile to tile. */
INLINE void run_tile(
    tiles *t, lanes *state, const scan_args *s, const place *at, int states) {
  int64_t width = padded(s->channels);
  for (int64_t i = 0; i < at->count; i++) {
    const float *B = weights_at(&s->B, at, i), *C = weights_at(&s->C, at, i);
    const float *A2 = s->A2 + at->channel;
    lanes y = {0}, drive;
    EACH_LANE(j) drive[j] = t->step[i][j] * t->u[i][j];
    for (int n = 0; n < states; n++, A2 += width) {
      EACH_LANE(j) {
        float decay = exp2_lane(t->step[i][j] * A2[j]);
        state[n][j] = decay * state[n][j] + drive[j] * B[n];
        y[j] += state[n][j] * C[n];
      }
    }
    EACH_LANE(j) t->y[i][j] = y[j];
  }
}

INLINE void forward_task(
    tiles *t, lanes *state, const scan_args *s, place at, int states) {
  int64_t width = padded(s->channels), tile = 0;
  int64_t count = (s->length + TILE - 1) / TILE;
  for (int n = 0; n < states; n++) EACH_LANE(j) state[n][j] = 0.0f;
  for (; at.first < s->length; at.first += TILE, tile++) {
    int64_t rest = s->length - at.first;
    at.count = rest < TILE ? rest : TILE;
    if (s->checkpoints) {
      float *kept = s->checkpoints + at.channel +
                    (at.item * count + tile) * states * width;
      for (int n = 0; n < states; n++, kept += width)
        EACH_LANE(j) kept[j] = state[n][j];
    }
    load_tile(t->u, &s->u, &at);
    load_steps(t, s, &at);
    if (s->z.data) load_tile(t->z, &s->z, &at);
    run_tile(t, state, s, &at, states);
    skip_and_gate(t, s, &at);
    if (s->y.data) store_tile(t->y, &s->y, &at);
  }
}

int64_t spmamba_scan_forward(const scan_args *s) {
  int64_t groups = padded(s->channels) / LANES, failed = 0;
#pragma omp parallel num_threads((int)s->threads) reduction(| : failed)
  {
    lanes *state = aligned_alloc(64, s->states * sizeof(lanes));
    tiles *t = aligned_alloc(64, sizeof(tiles));
    failed = !state || !t;
#pragma omp for schedule(static)
    for (int64_t task = 0; task < s->items * groups; task++) {
      if (failed) continue;
      place at = {task / groups, 0, 0, s->length, task % groups * LANES,
                  s->channels, (int)s->reverse};
      if (s->states == 16) /* a constant keeps the states in registers */
        forward_task(t, state, s, at, 16);
      else
        forward_task(t, state, s, at, (int)s->states);
    }
    free(t);
    free(state);
  }
  return failed;
}
