/* The selective scan, backward. A task is one sequence of the batch and a slab
of its channels, group after group and tile after tile from the end: the states
of a tile are computed again from its checkpoint and stay in the cache. */

#include "scan.h"

/* What the backward pass of a tile works on. `states` and `decays` hold every
step of the tile for one vector of channels: states[i] before step i,
states[i + 1] after it. The sums of B and C stay apart by lane until all groups
of the slab have added theirs. */
typedef struct {
  lanes u[TILE], raw[TILE], step[TILE], z[TILE], y[TILE];
  lanes grad_y[TILE], grad_u[TILE], grad_step[TILE], grad_z[TILE];
  vec *states, *decays, *sum_B, *sum_C;
  lanes *carry;         /* w of the step after, for each group: [G, N] */
  lanes *sum_A, *sum_D; /* [G, N] and [G, 2]: D, bias */
} workspace;

/* Runs vector v of a tile again from its checkpoint, keeping all states; y. */
INLINE void recompute_steps(workspace *w, const tile *t, const scan_args *s,
                            const float *kept, int v, int states, int bounded) {
  int64_t width = padded(s->channels);
  const float *B = t->B.data, *C = t->C.data;
  const float *rates = s->A2 + t->channel + v * WIDTH;
  vec *before = w->states, *decay = w->decays;
  for (int n = 0; n < states; n++) before[n] = load(kept + n * width);
  for (int64_t i = 0; i < t->count; i++) {
    vec step = t->step[i][v], drive = step * t->u[i][v], y = {0};
    vec *after = before + states;
    for (int n = 0; n < states; n++) {
      vec rate = load(rates + n * width);
      decay[n] = bounded ? exp2_bounded(step, rate) : exp2_any(step, rate);
      after[n] = decay[n] * before[n] + drive * B[n];
      y += after[n] * C[n];
    }
    t->y[i][v] = y;
    before = after, decay += states, B += t->B.stride, C += t->C.stride;
  }
}

/* Turns grad_y into the gradient of the scan's own output; gives that of z
and, in y, the output with skip and gate. */
INLINE void gate_backward(
    workspace *w, const tile *t, const scan_args *s, int v) {
  for (int64_t i = 0; i < t->count; i++) {
    vec y = t->y[i][v];
    if (s->D) y += load(s->D + t->channel + v * WIDTH) * t->u[i][v];
    if (t->z) {
      vec z = t->z[i][v], gate = sigmoid(z);
      vec slope = gate * (1.0f + z * (1.0f - gate));
      w->grad_z[i][v] = w->grad_y[i][v] * y * slope;
      w->grad_y[i][v] *= z * gate;
      y *= z * gate;
    }
    t->y[i][v] = y;
  }
}

/* The recurrence of w = decay * g, backwards, and all sums along its way. */
INLINE void steps_backward(workspace *w, const tile *t, const scan_args *s,
                           lanes *carry, lanes *sum_A, int v, int states) {
  int64_t width = padded(s->channels);
  const float *rates = s->A2 + t->channel + v * WIDTH;
  for (int64_t i = t->count - 1; i >= 0; i--) {
    const float *B = t->B.data + i * t->B.stride;
    const float *C = t->C.data + i * t->C.stride;
    const vec *before = w->states + i * states, *after = before + states;
    const vec *decay = w->decays + i * states;
    vec *sum_B = w->sum_B + i * states, *sum_C = w->sum_C + i * states;
    vec step = t->step[i][v], u = t->u[i][v], drive = step * u;
    vec dy = w->grad_y[i][v], dx = {0}, rate = {0};
    for (int n = 0; n < states; n++) {
      vec g = C[n] * dy + carry[n][v];
      sum_C[n] += dy * after[n];
      sum_B[n] += drive * g;
      dx += B[n] * g;
      g *= decay[n];
      carry[n][v] = g;
      g *= before[n];
      sum_A[n][v] += step * g;
      rate += load(rates + n * width) * g;
    }
    w->grad_u[i][v] = step * dx;
    w->grad_step[i][v] = 0.693147181f * rate + u * dx; /* A = A2 log(2) */
  }
}

/* Through skip, softplus and bias. */
INLINE void finish_steps(
    workspace *w, const tile *t, const scan_args *s, lanes *sum_D) {
  lanes *sum_bias = sum_D + 1;
  for (int64_t i = 0; i < t->count; i++)
    EACH_VEC(v) {
      vec dy = w->grad_y[i][v], grad = w->grad_step[i][v];
      if (s->D) w->grad_u[i][v] += load(s->D + t->channel + v * WIDTH) * dy;
      if (s->softplus) grad *= sigmoid(t->raw[i][v]);
      w->grad_step[i][v] = grad;
      (*sum_D)[v] += t->u[i][v] * dy;
      (*sum_bias)[v] += grad;
    }
}

/* A tile of a group of channels: in, through, and out. */
INLINE void backward_tile(workspace *w, const scan_args *s, const place *at,
                          int64_t group, int states) {
  int64_t width = padded(s->channels), tiles = (s->length + TILE - 1) / TILE;
  const float *kept = s->checkpoints + at->channel;
  lanes *carry = w->carry + group * states, *sum_A = w->sum_A + group * states;
  tile t = {w->u, w->raw, w->step, w->z, w->y};
  kept += (at->item * tiles + at->first / TILE) * states * width;
  load_inputs(&t, s, at);
  load_tile(w->grad_y, &s->grad_y, at);
  make_steps(&t, s);
  int bounded = is_bounded(&t, s, states);
  for (int v = 0; v < VECS; v++, kept += WIDTH) {
    if (bounded)
      recompute_steps(w, &t, s, kept, v, states, 1);
    else
      recompute_steps(w, &t, s, kept, v, states, 0);
    gate_backward(w, &t, s, v);
    steps_backward(w, &t, s, carry, sum_A, v, states);
  }
  finish_steps(w, &t, s, w->sum_D + 2 * group);
  store_tile(w->grad_u, &s->grad_u, at);
  store_tile(w->grad_step, &s->grad_delta, at);
  if (s->z.data) store_tile(w->grad_z, &s->grad_z, at);
  if (s->y.data) store_tile(t.y, &s->y, at);
}

/* Gradients of B and C of a tile and a slab. */
INLINE void add_lanes(workspace *w, const scan_args *s, const place *at,
                      int64_t slab, int states) {
  int64_t slabs = (s->channels + s->slab - 1) / s->slab;
  int64_t size = s->items * s->length * states;
  const vec *sum_B = w->sum_B, *sum_C = w->sum_C;
  for (int64_t i = 0; i < at->count; i++) {
    int64_t step = at->first + i;
    int64_t time = at->reverse ? at->length - 1 - step : step;
    float *to_B = s->weight_sums + slab * size +
                  (at->item * s->length + time) * states;
    float *to_C = to_B + slabs * size;
    for (int n = 0; n < states; n++) {
      to_B[n] = sum_lanes(sum_B++);
      to_C[n] = sum_lanes(sum_C++);
    }
  }
}

INLINE void backward_task(
    workspace *w, const scan_args *s, int64_t item, int64_t slab, int states) {
  int64_t width = padded(s->channels), start = slab * s->slab;
  int64_t end = start + s->slab < s->channels ? start + s->slab : s->channels;
  int64_t groups = padded(end - start) / LANES;
  memset(w->carry, 0, groups * states * sizeof(lanes));
  memset(w->sum_A, 0, groups * states * sizeof(lanes));
  memset(w->sum_D, 0, groups * 2 * sizeof(lanes));
  if (s->grad_last_state)
    for (int64_t g = 0; g < groups; g++)
      load_state(w->carry + g * states, s->grad_last_state, s, item,
                 start + g * LANES, states);
  place at = {item, (s->length - 1) / TILE * TILE, 0, s->length, 0,
              s->channels, (int)s->reverse};
  for (; at.first >= 0; at.first -= TILE) {
    int64_t rest = s->length - at.first;
    at.count = rest < TILE ? rest : TILE;
    memset(w->sum_B, 0, at.count * states * sizeof(vec));
    memset(w->sum_C, 0, at.count * states * sizeof(vec));
    for (int64_t group = 0; group < groups; group++) {
      at.channel = start + group * LANES;
      backward_tile(w, s, &at, group, states);
    }
    add_lanes(w, s, &at, slab, states);
  }
  if (s->grad_initial_state)
    for (int64_t g = 0; g < groups; g++)
      store_state(w->carry + g * states, s->grad_initial_state, s, item,
                  start + g * LANES, states);
  float *sums = s->state_sums + item * (states + 2) * width + start;
  for (int64_t group = 0; group < groups; group++, sums += LANES)
    EACH_VEC(v) {
      float *to = sums + v * WIDTH;
      for (int n = 0; n < states; n++, to += width)
        store(to, w->sum_A[group * states + n][v]);
      for (int n = 0; n < 2; n++, to += width)
        store(to, w->sum_D[2 * group + n][v]);
    }
}

API int64_t spmamba_scan_backward(const scan_args *s) {
  int64_t slabs = (s->channels + s->slab - 1) / s->slab, failed = 0;
  int64_t groups = padded(s->slab) / LANES, N = s->states;
  int64_t vectors = (2 * TILE + 1) * N + 2 * TILE * N;
  int64_t room = (vectors + VECS - 1) / VECS + groups * (2 * N + 2);
#pragma omp parallel num_threads((int)s->threads) reduction(| : failed)
  {
    workspace *w = allocate_lines(sizeof(workspace));
    lanes *memory = allocate_lines(room * sizeof(lanes));
    failed = !w || !memory;
    if (!failed) {
      w->carry = memory;
      w->sum_A = w->carry + groups * N;
      w->sum_D = w->sum_A + groups * N;
      w->states = (vec *)(w->sum_D + groups * 2);
      w->decays = w->states + (TILE + 1) * N;
      w->sum_B = w->decays + TILE * N;
      w->sum_C = w->sum_B + TILE * N;
    }
#pragma omp for schedule(static)
    for (int64_t task = 0; task < s->items * slabs; task++) {
      if (failed) continue;
      if (N == 16)
        backward_task(w, s, task / slabs, task % slabs, 16);
      else
        backward_task(w, s, task / slabs, task % slabs, (int)N);
    }
    free_lines(memory);
    free_lines(w);
  }
  return failed;
}
