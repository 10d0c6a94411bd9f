/* The selective scan, forward. A task is one sequence of the batch and LANES of
its channels: their states never leave the registers, or the first cache. */

#include "scan_steps.h"

/* Grows with every change of a structure or of a function's arguments: Python
refuses a library that was built from other sources. */
int64_t spmamba_interface(void) { return 2; }

int64_t spmamba_tile(void) { return TILE; }

typedef struct {
  lanes u[TILE], raw[TILE], step[TILE], z[TILE], y[TILE];
} workspace;

INLINE void forward_task(
    workspace *w, lanes *state, const scan_args *s, place at, int states) {
  memset(state, 0, states * sizeof(lanes));
  for (int64_t index = 0; at.first < s->length; at.first += TILE, index++) {
    int64_t rest = s->length - at.first;
    at.count = rest < TILE ? rest : TILE;
    tile t = {at.channel, at.count, w->u, w->raw, w->step, NULL, w->y,
              rows_at(&s->B, &at), rows_at(&s->C, &at)};
    keep_state(state, s, at.item, index, at.channel, states);
    load_tile(t.u, &s->u, &at);
    if (s->delta_weight)
      t.low_rank = rows_at(&s->delta, &at);
    else
      load_tile(t.raw, &s->delta, &at);
    if (s->z.data) load_tile(t.z = w->z, &s->z, &at);
    scan_tile(&t, state, s, states);
    if (s->y.data) store_tile(t.y, &s->y, &at);
  }
}

int64_t spmamba_scan_forward(const scan_args *s) {
  int64_t groups = padded(s->channels) / LANES, failed = 0;
#pragma omp parallel num_threads((int)s->threads) reduction(| : failed)
  {
    lanes *state = aligned_alloc(64, s->states * sizeof(lanes));
    workspace *w = aligned_alloc(64, sizeof(workspace));
    failed = !state || !w;
#pragma omp for schedule(static)
    for (int64_t task = 0; task < s->items * groups; task++) {
      if (failed) continue;
      place at = {task / groups, 0, 0, s->length, task % groups * LANES,
                  s->channels, (int)s->reverse};
      if (s->states == 16) /* a constant lets the loop over states unroll */
        forward_task(w, state, s, at, 16);
      else
        forward_task(w, state, s, at, (int)s->states);
    }
    free(w);
    free(state);
  }
  return failed;
}
