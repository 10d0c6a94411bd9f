/* Causal depthwise convolution followed by SiLU, forward and backward.

    pre[t] = bias + sum_k weight[k] x[t - (K - 1) + k],   out = pre sigmoid(pre)

in the order of reading: a reversed sequence is convolved from its end. A task
is one sequence of the batch and LANES of its channels. */

#include "conv.h"

/* `x` and `pre` hold a tile; K - 1 steps of context lie before x[0] (the past)
and behind grad[TILE - 1] (the gradients of what the tile is the past of). */
typedef struct {
  lanes pre[TILE];
  lanes *x, *grad, *sums, *memory;
} workspace;

static int open_workspace(workspace *w, int64_t taps) {
  int64_t span = TILE + taps - 1;
  w->memory = aligned_alloc(64, (2 * span + taps + 1) * sizeof(lanes));
  if (!w->memory) return 1;
  w->x = w->memory + taps - 1;
  w->grad = w->memory + span;
  w->sums = w->grad + span;
  return 0;
}

INLINE void load_context(workspace *w, const conv_args *c, const place *at) {
  int64_t past = c->taps - 1, missing = past - at->first;
  place before = *at;
  if (missing < 0) missing = 0;
  before.first = at->first - past + missing;
  before.count = past - missing;
  memset(w->memory, 0, missing * sizeof(lanes));
  load_tile(w->memory + missing, &c->x, &before);
}

INLINE void convolve(
    workspace *w, const conv_args *c, const place *at, int taps) {
  int64_t width = (c->channels + LANES - 1) / LANES * LANES;
  for (int64_t i = 0; i < at->count; i++) {
    const float *weight = c->weight + at->channel;
    lanes total;
    EACH_LANE(j) total[j] = c->bias[at->channel + j];
    for (int k = 0; k < taps; k++, weight += width) {
      const float *x = w->x[i - (taps - 1) + k];
      EACH_LANE(j) total[j] += weight[j] * x[j];
    }
    EACH_LANE(j) w->pre[i][j] = total[j];
  }
}

INLINE void forward_task(workspace *w, const conv_args *c, place at, int taps) {
  for (; at.first < c->length; at.first += TILE) {
    int64_t rest = c->length - at.first;
    at.count = rest < TILE ? rest : TILE;
    load_context(w, c, &at);
    load_tile(w->x, &c->x, &at);
    convolve(w, c, &at, taps);
    for (int64_t i = 0; i < at.count; i++)
      EACH_LANE(j) w->pre[i][j] *= sigmoid_lane(w->pre[i][j]);
    store_tile(w->pre, &c->out, &at);
  }
}

/* From the last tile to the first. The gradient of x[t] needs those of pre at
t ... t + K - 1: the first K - 1 of a tile are kept for the tile before. */
INLINE void backward_task(
    workspace *w, const conv_args *c, place at, int taps) {
  int64_t width = (c->channels + LANES - 1) / LANES * LANES;
  memset(w->grad, 0, (TILE + taps - 1) * sizeof(lanes));
  memset(w->sums, 0, (taps + 1) * sizeof(lanes));
  at.first = (c->length - 1) / TILE * TILE;
  for (; at.first >= 0; at.first -= TILE) {
    int64_t rest = c->length - at.first;
    at.count = rest < TILE ? rest : TILE;
    load_context(w, c, &at);
    load_tile(w->x, &c->x, &at);
    convolve(w, c, &at, taps);
    if (at.first + TILE < c->length)
      memmove(w->grad + TILE, w->grad, (taps - 1) * sizeof(lanes));
    load_tile(w->grad, &c->grad_out, &at);
    for (int64_t i = 0; i < at.count; i++) {
      EACH_LANE(j) {
        float pre = w->pre[i][j], gate = sigmoid_lane(pre);
        w->grad[i][j] *= gate * (1.0f + pre * (1.0f - gate));
        w->sums[taps][j] += w->grad[i][j];
      }
      for (int k = 0; k < taps; k++)
        EACH_LANE(j) {
          w->sums[k][j] += w->grad[i][j] * w->x[i - (taps - 1) + k][j];
        }
    }
    /* pre is done with: it takes the gradient of x */
    for (int64_t i = 0; i < at.count; i++) {
      const float *weight = c->weight + at.channel;
      lanes total = {0};
      for (int k = 0; k < taps; k++, weight += width)
        EACH_LANE(j) total[j] += weight[j] * w->grad[i + (taps - 1) - k][j];
      EACH_LANE(j) w->pre[i][j] = total[j];
    }
    store_tile(w->pre, &c->grad_x, &at);
  }
  float *sums = c->sums + at.item * (taps + 1) * width + at.channel;
  for (int k = 0; k <= taps; k++, sums += width)
    EACH_LANE(j) sums[j] = w->sums[k][j];
}

static int64_t run(const conv_args *c, int backward) {
  int64_t groups = (c->channels + LANES - 1) / LANES, failed = 0;
#pragma omp parallel num_threads((int)c->threads) reduction(| : failed)
  {
    workspace w;
    failed = open_workspace(&w, c->taps);
#pragma omp for schedule(static)
    for (int64_t task = 0; task < c->items * groups; task++) {
      if (failed) continue;
      place at = {task / groups, 0, 0, c->length, task % groups * LANES,
                  c->channels, (int)c->reverse};
      if (backward)
        backward_task(&w, c, at, (int)c->taps);
      else if (c->taps == 4)
        forward_task(&w, c, at, 4);
      else
        forward_task(&w, c, at, (int)c->taps);
    }
    if (!failed) free(w.memory);
  }
  return failed;
}

int64_t spmamba_conv_forward(const conv_args *c) { return run(c, 0); }

int64_t spmamba_conv_backward(const conv_args *c) { return run(c, 1); }
