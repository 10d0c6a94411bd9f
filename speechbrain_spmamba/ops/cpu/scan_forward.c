/* The selective scan, forward. A task is one sequence of the batch and a slab
of its channels; the states of a group stay in registers, or the first cache. */

#include "scan_steps.h"

/* Grows with every change of a structure or of a function's arguments: Python
refuses a library that was built from other sources. */
API int64_t spmamba_interface(void) { return 4; }

typedef struct {
  lanes u[TILE], raw[TILE], step[TILE], z[TILE], y[TILE];
} workspace;

INLINE void forward_tile(workspace *w, lanes *state, const scan_args *s,
                         const place *at, int states) {
  tile t = {w->u, w->raw, w->step, w->z, w->y};
  load_inputs(&t, s, at);
  keep_state(state, s, at->item, at->first / TILE, at->channel, states);
  scan_tile(&t, state, s, states);
  if (s->y.data) store_tile(t.y, &s->y, at);
}

INLINE void forward_task(
    workspace *w, lanes *state, const scan_args *s, place at, int64_t end,
    int states) {
  int64_t start = at.channel;
  memset(state, 0, MOST_GROUPS * states * sizeof(lanes));
  if (s->initial_state)
    for (int64_t c = start, g = 0; c < end; c += LANES, g++)
      load_state(state + g * states, s->initial_state, s, at.item, c, states);
  for (; at.first < s->length; at.first += TILE) {
    int64_t rest = s->length - at.first;
    lanes *group = state;
    at.count = rest < TILE ? rest : TILE;
    for (at.channel = start; at.channel < end; at.channel += LANES) {
      forward_tile(w, group, s, &at, states);
      group += states;
    }
  }
  if (s->last_state)
    for (int64_t c = start, g = 0; c < end; c += LANES, g++)
      store_state(state + g * states, s->last_state, s, at.item, c, states);
}

API int64_t spmamba_scan_forward(const scan_args *s) {
  int64_t slab = slab_of(s->items, s->channels, s->threads), failed = 0;
  int64_t slabs = (s->channels + slab - 1) / slab;
#pragma omp parallel num_threads((int)s->threads) reduction(| : failed)
  {
    lanes *state = allocate_lines(MOST_GROUPS * s->states * sizeof(lanes));
    workspace *w = allocate_lines(sizeof(workspace));
    failed = !state || !w;
#pragma omp for schedule(static)
    for (int64_t task = 0; task < s->items * slabs; task++) {
      if (failed) continue;
      place at = {task / slabs, 0, 0, s->length, task % slabs * slab,
                  s->channels, (int)s->reverse};
      int64_t end = at.channel + slab;
      if (end > s->channels) end = s->channels;
      if (s->states == 16) /* a constant lets the loop over states unroll */
        forward_task(w, state, s, at, end, 16);
      else
        forward_task(w, state, s, at, end, (int)s->states);
    }
    free_lines(w);
    free_lines(state);
  }
  return failed;
}
