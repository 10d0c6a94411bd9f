/* Causal depthwise convolution followed by SiLU, forward and backward.

    pre[t] = bias + sum_k weight[k] x[t - (K - 1) + k],   out = pre sigmoid(pre)

in the order of reading: a reversed sequence is convolved from its end. A task
is one sequence of the batch and a slab of its channels. */

#include "conv.h"

/* `x` and `pre` hold a tile; K - 1 steps of context lie before x[0] (the past)
and behind grad[TILE - 1] (the gradients of what the tile is the past of, which
`future` keeps for every group of the slab). */
typedef struct {
  lanes pre[TILE];
  lanes *x, *grad, *future, *sums, *memory;
} workspace;

static int open_workspace(workspace *w, int64_t taps) {
  int64_t past = taps - 1, span = TILE + past, groups = MOST_GROUPS;
  int64_t room = 2 * span + groups * (past + taps + 1);
  w->memory = allocate_lines(room * sizeof(lanes));
  if (!w->memory) return 1;
  w->x = w->memory + past;
  w->grad = w->memory + span;
  w->future = w->grad + span;
  w->sums = w->future + groups * past;
  return 0;
}

/* A tile of x with its context. */
INLINE void load_x(workspace *w, const conv_args *c, const place *at) {
  int64_t past = c->taps - 1, missing = past - at->first;
  place whole = *at;
  if (missing < 0) missing = 0;
  whole.first -= past - missing;
  whole.count += past - missing;
  memset(w->memory, 0, missing * sizeof(lanes));
  load_tile(w->memory + missing, &c->x, &whole);
}

INLINE void forward_task(
    workspace *w, const conv_args *c, place at, int64_t end) {
  int64_t start = at.channel;
  for (; at.first < c->length; at.first += TILE) {
    int64_t rest = c->length - at.first;
    at.count = rest < TILE ? rest : TILE;
    for (at.channel = start; at.channel < end; at.channel += LANES) {
      load_x(w, c, &at);
      convolve(w->x, w->pre, at.count, c, at.channel);
      store_tile(w->pre, &c->out, &at);
    }
  }
}

/* Gradients of a tile. That of x[t] needs those of pre at t ... t + K - 1: the
first K - 1 of a tile are kept for the tile before. */
INLINE void backward_tile(workspace *w, const conv_args *c, const place *at,
                          lanes *future, lanes *sums, int taps) {
  int64_t width = padded(c->channels), count = at->count;
  load_x(w, c, at);
  load_tile(w->grad, &c->grad_out, at);
  memcpy(w->grad + count, future, (taps - 1) * sizeof(lanes));
  EACH_VEC(v) {
    vec total = sums[taps][v];
    for (int64_t i = 0; i < count; i++) {
      vec pre = sum_taps(w->x + i, c, at->channel, v, taps);
      vec gate = sigmoid(pre);
      vec grad = w->grad[i][v] * gate * (1.0f + pre * (1.0f - gate));
      w->grad[i][v] = grad;
      total += grad;
      for (int k = 0; k < taps; k++)
        sums[k][v] += grad * w->x[i - (taps - 1) + k][v];
    }
    sums[taps][v] = total;
    /* pre is done with: it takes the gradient of x */
    for (int64_t i = 0; i < count; i++) {
      const float *weight = c->weight + at->channel + v * WIDTH;
      vec grad_x = {0};
      for (int k = 0; k < taps; k++, weight += width)
        grad_x += load(weight) * w->grad[i + (taps - 1) - k][v];
      w->pre[i][v] = grad_x;
    }
  }
  memcpy(future, w->grad, (taps - 1) * sizeof(lanes));
  store_tile(w->pre, &c->grad_x, at);
}

/* From the last tile to the first. */
INLINE void backward_task(
    workspace *w, const conv_args *c, place at, int64_t end, int taps) {
  int64_t width = padded(c->channels), past = taps - 1, start = at.channel;
  memset(w->future, 0, MOST_GROUPS * past * sizeof(lanes));
  memset(w->sums, 0, MOST_GROUPS * (taps + 1) * sizeof(lanes));
  at.first = (c->length - 1) / TILE * TILE;
  for (; at.first >= 0; at.first -= TILE) {
    int64_t rest = c->length - at.first, group = 0;
    at.count = rest < TILE ? rest : TILE;
    for (at.channel = start; at.channel < end; at.channel += LANES, group++)
      backward_tile(w, c, &at, w->future + group * past,
                    w->sums + group * (taps + 1), taps);
  }
  lanes *from = w->sums;
  for (int64_t channel = start; channel < end; channel += LANES)
    for (int k = 0; k <= taps; k++, from++) {
      float *to = c->sums + (at.item * (taps + 1) + k) * width + channel;
      EACH_VEC(v) store(to + v * WIDTH, (*from)[v]);
    }
}

static int64_t run(const conv_args *c, int backward) {
  int64_t slab = slab_of(c->items, c->channels, c->threads), failed = 0;
  int64_t slabs = (c->channels + slab - 1) / slab;
#pragma omp parallel num_threads((int)c->threads) reduction(| : failed)
  {
    workspace w;
    failed = open_workspace(&w, c->taps);
#pragma omp for schedule(static)
    for (int64_t task = 0; task < c->items * slabs; task++) {
      if (failed) continue;
      place at = {task / slabs, 0, 0, c->length, task % slabs * slab,
                  c->channels, (int)c->reverse};
      int64_t end = at.channel + slab;
      if (end > c->channels) end = c->channels;
      if (!backward)
        forward_task(&w, c, at, end);
      else if (c->taps == 4)
        backward_task(&w, c, at, end, 4);
      else
        backward_task(&w, c, at, end, (int)c->taps);
    }
    if (!failed) free_lines(w.memory);
  }
  return failed;
}

API int64_t spmamba_conv_forward(const conv_args *c) { return run(c, 0); }

API int64_t spmamba_conv_backward(const conv_args *c) { return run(c, 1); }
