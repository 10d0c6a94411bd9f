/* The selective scan, backward. A task is one sequence of the batch and a slab
of its channels, group after group and tile after tile from the end: the states
of a tile are computed again from its checkpoint and stay in the cache. */

#include "scan.h"

/* What the backward pass of a tile works on. `states` and `decays` hold every
step of the tile: states[i] before step i, states[i + 1] after it. The sums of
B and C stay apart by lane until all groups of the slab have added theirs. */
typedef struct {
  tiles t;
  lanes grad_y[TILE], grad_u[TILE], grad_step[TILE], grad_z[TILE];
  lanes *states, *decays, *sum_B, *sum_C;
  lanes *carry;          /* w of the step after, for each group: [G, N] */
  lanes *sum_A, *sum_D;  /* [G, N] and [G, 2]: D, bias */
} workspace;

/* Runs the tile again from its checkpoint, keeping all states, and y. */
INLINE void recompute_tile(
    workspace *w, const scan_args *s, const place *at, int states) {
  tiles *t = &w->t;
  int64_t width = padded(s->channels), tile = at->first / TILE;
  int64_t count = (s->length + TILE - 1) / TILE;
  const float *kept = s->checkpoints + at->channel +
                      (at->item * count + tile) * states * width;
  for (int n = 0; n < states; n++, kept += width)
    EACH_LANE(j) w->states[n][j] = kept[j];
  for (int64_t i = 0; i < at->count; i++) {
    const float *B = weights_at(&s->B, at, i), *C = weights_at(&s->C, at, i);
    const float *A2 = s->A2 + at->channel;
    lanes *before = w->states + i * states, *after = before + states;
    lanes *decay = w->decays + i * states;
    lanes y = {0}, drive;
    EACH_LANE(j) drive[j] = t->step[i][j] * t->u[i][j];
    for (int n = 0; n < states; n++, A2 += width) {
      EACH_LANE(j) {
        decay[n][j] = exp2_lane(t->step[i][j] * A2[j]);
        after[n][j] = decay[n][j] * before[n][j] + drive[j] * B[n];
        y[j] += after[n][j] * C[n];
      }
    }
    EACH_LANE(j) t->y[i][j] = y[j];
  }
}

/* Turns grad_y into the gradient of the scan's own output; gives that of z
and, in y, the output with skip and gate. */
INLINE void gate_backward(workspace *w, const scan_args *s, const place *at) {
  tiles *t = &w->t;
  for (int64_t i = 0; i < at->count; i++) {
    if (s->D) EACH_LANE(j) t->y[i][j] += s->D[at->channel + j] * t->u[i][j];
    if (!s->z.data) continue;
    EACH_LANE(j) {
      float z = t->z[i][j], gate = sigmoid_lane(z);
      float slope = gate * (1.0f + z * (1.0f - gate));
      w->grad_z[i][j] = w->grad_y[i][j] * t->y[i][j] * slope;
      w->grad_y[i][j] *= z * gate;
      t->y[i][j] *= z * gate;
    }
  }
}

/* The recurrence of w = decay * g, backwards, and all sums along its way. */
INLINE void scan_tile_backward(workspace *w, const scan_args *s,
                               const place *at, int64_t group, int states) {
  tiles *t = &w->t;
  int64_t width = padded(s->channels);
  lanes *carry = w->carry + group * states, *sum_A = w->sum_A + group * states;
  for (int64_t i = at->count - 1; i >= 0; i--) {
    const float *B = weights_at(&s->B, at, i), *C = weights_at(&s->C, at, i);
    const float *A2 = s->A2 + at->channel;
    lanes *before = w->states + i * states, *after = before + states;
    lanes *decay = w->decays + i * states;
    lanes *sum_B = w->sum_B + i * states, *sum_C = w->sum_C + i * states;
    lanes drive, dx = {0}, rate = {0};
    EACH_LANE(j) drive[j] = t->step[i][j] * t->u[i][j];
    for (int n = 0; n < states; n++, A2 += width) {
      EACH_LANE(j) {
        float dy = w->grad_y[i][j], g = C[n] * dy + carry[n][j];
        sum_C[n][j] += dy * after[n][j];
        sum_B[n][j] += drive[j] * g;
        dx[j] += B[n] * g;
        carry[n][j] = decay[n][j] * g;
        float h = carry[n][j] * before[n][j];
        sum_A[n][j] += t->step[i][j] * h;
        rate[j] += A2[j] * h;
      }
    }
    EACH_LANE(j) {
      w->grad_u[i][j] = t->step[i][j] * dx[j];
      /* A = A2 log(2) */
      w->grad_step[i][j] = 0.693147181f * rate[j] + t->u[i][j] * dx[j];
    }
  }
}

/* Through skip, softplus and bias; then out of the tile. */
INLINE void finish_tile(
    workspace *w, const scan_args *s, const place *at, int64_t group) {
  tiles *t = &w->t;
  lanes *sum_D = w->sum_D + 2 * group, *sum_bias = sum_D + 1;
  for (int64_t i = 0; i < at->count; i++) {
    EACH_LANE(j) {
      float dy = w->grad_y[i][j];
      if (s->D) w->grad_u[i][j] += s->D[at->channel + j] * dy;
      (*sum_D)[j] += t->u[i][j] * dy;
      if (s->softplus) w->grad_step[i][j] *= sigmoid_lane(t->raw[i][j]);
      (*sum_bias)[j] += w->grad_step[i][j];
    }
  }
  store_tile(w->grad_u, &s->grad_u, at);
  store_tile(w->grad_step, &s->grad_delta, at);
  if (s->z.data) store_tile(w->grad_z, &s->grad_z, at);
  if (s->y.data) store_tile(t->y, &s->y, at);
}

INLINE void add_lanes(
    workspace *w, const scan_args *s, const place *at, int64_t slab,
    int states) {
  int64_t slabs = (s->channels + s->slab - 1) / s->slab;
  int64_t size = s->items * s->length * states;
  for (int64_t i = 0; i < at->count; i++) {
    int64_t step = at->first + i;
    int64_t time = at->reverse ? at->length - 1 - step : step;
    float *to_B = s->weight_sums + slab * size +
                  (at->item * s->length + time) * states;
    float *to_C = to_B + slabs * size;
    for (int n = 0; n < states; n++) {
      float total_B = 0.0f, total_C = 0.0f;
      EACH_LANE(j) {
        total_B += w->sum_B[i * states + n][j];
        total_C += w->sum_C[i * states + n][j];
      }
      to_B[n] = total_B;
      to_C[n] = total_C;
    }
  }
}

INLINE void backward_task(
    workspace *w, const scan_args *s, int64_t item, int64_t slab, int states) {
  int64_t width = padded(s->channels), start = slab * s->slab;
  int64_t end = start + s->slab < s->channels ? start + s->slab : s->channels;
  int64_t groups = (end - start + LANES - 1) / LANES;
  memset(w->carry, 0, groups * states * sizeof(lanes));
  memset(w->sum_A, 0, groups * states * sizeof(lanes));
  memset(w->sum_D, 0, groups * 2 * sizeof(lanes));
  place at = {item, (s->length - 1) / TILE * TILE, 0, s->length, 0,
              s->channels, (int)s->reverse};
  for (; at.first >= 0; at.first -= TILE) {
    int64_t rest = s->length - at.first;
    at.count = rest < TILE ? rest : TILE;
    memset(w->sum_B, 0, at.count * states * sizeof(lanes));
    memset(w->sum_C, 0, at.count * states * sizeof(lanes));
    for (int64_t group = 0; group < groups; group++) {
      at.channel = start + group * LANES;
      load_tile(w->t.u, &s->u, &at);
      load_steps(&w->t, s, &at);
      load_tile(w->grad_y, &s->grad_y, &at);
      if (s->z.data) load_tile(w->t.z, &s->z, &at);
      recompute_tile(w, s, &at, states);
      gate_backward(w, s, &at);
      scan_tile_backward(w, s, &at, group, states);
      finish_tile(w, s, &at, group);
    }
    add_lanes(w, s, &at, slab, states);
  }
  float *sums = s->state_sums + item * (states + 2) * width + start;
  for (int64_t group = 0; group < groups; group++, sums += LANES) {
    for (int n = 0; n < states; n++)
      EACH_LANE(j) sums[n * width + j] = w->sum_A[group * states + n][j];
    for (int n = 0; n < 2; n++)
      EACH_LANE(j) {
        sums[(states + n) * width + j] = w->sum_D[2 * group + n][j];
      }
  }
}

int64_t spmamba_scan_backward(const scan_args *s) {
  int64_t slabs = (s->channels + s->slab - 1) / s->slab, failed = 0;
  int64_t groups = padded(s->slab) / LANES, N = s->states;
  int64_t room = (2 * TILE + 1) * N + 2 * TILE * N + groups * (2 * N + 2);
#pragma omp parallel num_threads((int)s->threads) reduction(| : failed)
  {
    workspace *w = aligned_alloc(64, sizeof(workspace));
    lanes *memory = aligned_alloc(64, room * sizeof(lanes));
    failed = !w || !memory;
    if (!failed) {
      w->states = memory;
      w->decays = w->states + (TILE + 1) * N;
      w->sum_B = w->decays + TILE * N;
      w->sum_C = w->sum_B + TILE * N;
      w->carry = w->sum_C + TILE * N;
      w->sum_A = w->carry + groups * N;
      w->sum_D = w->sum_A + groups * N;
    }
#pragma omp for schedule(static)
    for (int64_t task = 0; task < s->items * slabs; task++) {
      if (failed) continue;
      if (N == 16)
        backward_task(w, s, task / slabs, task % slabs, 16);
      else
        backward_task(w, s, task / slabs, task % slabs, (int)N);
    }
    free(memory);
    free(w);
  }
  return failed;
}
