/* What the passes of the selective scan of Mamba-1 are given and share.

Mamba (arXiv 2312.00752), algorithm 2; the gradients are derived in
../torch_loop.py, whose names are used here. Work is cut into tasks that share
nothing they write, so no result depends on the number of threads.

Parameters come padded to a multiple of LANES channels, states first:
A2 = A log2(e) is [N, P], D and bias [P], delta_weight [R, P]. */

#ifndef SPMAMBA_SCAN_H
#define SPMAMBA_SCAN_H

#include "sequence.h"

typedef struct {
  int64_t items, length, channels, states, rank; /* B, L, D, N, R */
  int64_t threads, reverse, softplus;
  int64_t slab; /* channels of a task of the backward pass */
  sequence u, delta, z, y, B, C;
  sequence grad_y, grad_u, grad_delta, grad_z;
  const float *A2, *D, *bias, *delta_weight; /* all but A2 may be NULL */
  float *checkpoints;                        /* [B, tiles, N, P], may be NULL */
  float *weight_sums; /* [2, slabs, B, L, N]: gradients of B and of C */
  float *state_sums;  /* [B, N + 2, P]: of A, D and bias */
  /* [B, D, N], each may be NULL; the two states may be one memory */
  const float *initial_state, *grad_last_state;
  float *last_state, *grad_initial_state;
} scan_args;

/* A tile of a group of channels: `raw` and `step` before and after the
softplus. z is NULL where nothing gates. */
typedef struct {
  lanes *u, *raw, *step, *z, *y;
  rows B, C, low_rank;
  int64_t channel, count;
} tile;

/* What both passes read of a tile, into memory that t names. */
INLINE void load_inputs(tile *t, const scan_args *s, const place *at) {
  t->channel = at->channel, t->count = at->count;
  t->B = rows_at(&s->B, at), t->C = rows_at(&s->C, at);
  load_tile(t->u, &s->u, at);
  if (s->delta_weight)
    t->low_rank = rows_at(&s->delta, at);
  else
    load_tile(t->raw, &s->delta, at);
  if (s->z.data)
    load_tile(t->z, &s->z, at);
  else
    t->z = NULL;
}

/* raw as the product of a row of low rank with its matrix. */
INLINE void expand_steps(const tile *t, const scan_args *s, int rank) {
  int64_t width = padded(s->channels);
  const float *low_rank = t->low_rank.data;
  for (int64_t i = 0; i < t->count; i++, low_rank += t->low_rank.stride) {
    const float *weight = s->delta_weight + t->channel;
    lanes sum = {0};
    for (int r = 0; r < rank; r++, weight += width)
      EACH_VEC(v) sum[v] += low_rank[r] * load(weight + v * WIDTH);
    EACH_VEC(v) t->raw[i][v] = sum[v];
  }
}

/* The step sizes of a tile, from raw: the product fills it if there is one. */
INLINE void make_steps(const tile *t, const scan_args *s) {
  lanes bias = {0};
  if (s->bias) EACH_VEC(v) bias[v] = load(s->bias + t->channel + v * WIDTH);
  if (s->delta_weight) {
    if (s->rank == 8)
      expand_steps(t, s, 8);
    else
      expand_steps(t, s, (int)s->rank);
  }
  for (int64_t i = 0; i < t->count; i++)
    EACH_VEC(v) {
      vec raw = t->raw[i][v] + bias[v];
      t->raw[i][v] = raw;
      t->step[i][v] = s->softplus ? softplus(raw) : raw;
    }
}

/* Whether exp2_bounded serves every decay of the tile; with a NaN it does not.
The bits of all steps together are those of a number that is no smaller than the
largest, and less than twice as large. */
INLINE int is_bounded(const tile *t, const scan_args *s, int states) {
  int64_t width = padded(s->channels);
  ivec outside = {0};
  EACH_VEC(v) {
    const float *A2 = s->A2 + t->channel + v * WIDTH;
    vec rate = {0};
    ivec step = {0};
    for (int n = 0; n < states; n++) rate = larger(rate, load(A2 + n * width));
    for (int64_t i = 0; i < t->count; i++) step |= (ivec)t->step[i][v];
    outside |= ~(rate * (vec)(step & INT32_MAX) <= EXP2_BOUND);
  }
  int bounded = 1;
  for (int j = 0; j < WIDTH; j++) bounded &= !outside[j];
  return bounded;
}

/* A group's part of states [B, D, N], zero behind the last channel. */
INLINE void load_state(lanes *state, const float *from, const scan_args *s,
                       int64_t item, int64_t channel, int states) {
  int64_t width = s->channels - channel;
  if (width > LANES) width = LANES;
  from += (item * s->channels + channel) * states;
  for (int n = 0; n < states; n++) {
    float row[LANES] = {0};
    for (int j = 0; j < width; j++) row[j] = from[j * states + n];
    EACH_VEC(v) state[n][v] = load(row + v * WIDTH);
  }
}

INLINE void store_state(const lanes *state, float *to, const scan_args *s,
                        int64_t item, int64_t channel, int states) {
  int64_t width = s->channels - channel;
  if (width > LANES) width = LANES;
  to += (item * s->channels + channel) * states;
  for (int n = 0; n < states; n++) {
    const float *row = (const float *)state[n];
    for (int j = 0; j < width; j++) to[j * states + n] = row[j];
  }
}

/* Each returns 0, or 1 when memory ran out. */
API int64_t spmamba_scan_forward(const scan_args *s);
API int64_t spmamba_scan_backward(const scan_args *s);

#endif
