/* What the passes of the selective scan of Mamba-1 are given and share.

Mamba (arXiv 2312.00752), algorithm 2; the gradients are derived in
../torch_loop.py, whose names are used here. Work is cut into tasks that share
nothing they write, so no result depends on the number of threads.

Parameters come padded to a multiple of LANES channels, states first:
A2 = A log2(e) is [N, P], D and bias [P], delta_weight [R, P]. */

#ifndef SPMAMBA_SCAN_H
#define SPMAMBA_SCAN_H

#include <stdlib.h>

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
} scan_args;

typedef struct {
  lanes u[TILE], raw[TILE], step[TILE], z[TILE], y[TILE];
} tiles;

INLINE int64_t padded(int64_t channels) {
  return (channels + LANES - 1) / LANES * LANES;
}

/* The step sizes of a tile, before (raw) and after the softplus. */
INLINE void load_steps(tiles *t, const scan_args *s, const place *at) {
  int64_t width = padded(s->channels);
  if (s->delta_weight) {
    const float *weight = s->delta_weight + at->channel;
    for (int64_t i = 0; i < at->count; i++) {
      const float *low_rank = weights_at(&s->delta, at, i);
      EACH_LANE(j) t->raw[i][j] = 0.0f;
      for (int64_t r = 0; r < s->rank; r++)
        EACH_LANE(j) t->raw[i][j] += low_rank[r] * weight[r * width + j];
    }
  } else {
    load_tile(t->raw, &s->delta, at);
  }
  for (int64_t i = 0; i < at->count; i++) {
    if (s->bias) EACH_LANE(j) t->raw[i][j] += s->bias[at->channel + j];
    if (s->softplus)
      EACH_LANE(j) t->step[i][j] = softplus_lane(t->raw[i][j]);
    else
      EACH_LANE(j) t->step[i][j] = t->raw[i][j];
  }
}

/* Each returns 0, or 1 when memory ran out. */
int64_t spmamba_scan_forward(const scan_args *s);
int64_t spmamba_scan_backward(const scan_args *s);

#endif
