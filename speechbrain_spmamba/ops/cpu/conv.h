/* What the passes of the convolution are given, and its sum of taps. Parameters
come padded to a multiple of LANES channels, taps first: weight is [K, P], bias
[P]. */

#ifndef SPMAMBA_CONV_H
#define SPMAMBA_CONV_H

#include "sequence.h"

typedef struct {
  int64_t items, length, channels, taps;
  int64_t threads, reverse;
  sequence x, out, grad_out, grad_x; /* the backward pass leaves out alone */
  const float *weight, *bias;
  float *sums; /* [B, K + 1, P]: gradients of weight and of bias */
} conv_args;

/* bias + sum_k weight[k] x[k - (K - 1)], for vector v of a group of channels:
x points to the lanes of the newest step, those of older ones lie before. */
INLINE vec sum_taps(
    const lanes *x, const conv_args *c, int64_t channel, int v, int taps) {
  int64_t width = padded(c->channels);
  const float *weight = c->weight + channel + v * WIDTH;
  vec sum = load(c->bias + channel + v * WIDTH);
  for (int k = 0; k < taps; k++, weight += width)
    sum += load(weight) * x[k - (taps - 1)][v];
  return sum;
}

/* silu of it for `count` steps; from the last to the first, so that `out` may
be x itself. */
INLINE void convolve_steps(const lanes *x, lanes *out, int64_t count,
                           const conv_args *c, int64_t channel, int taps) {
  for (int64_t i = count - 1; i >= 0; i--)
    EACH_VEC(v) {
      vec pre = sum_taps(x + i, c, channel, v, taps);
      out[i][v] = pre * sigmoid(pre);
    }
}

INLINE void convolve(const lanes *x, lanes *out, int64_t count,
                     const conv_args *c, int64_t channel) {
  if (c->taps == 4) /* a constant keeps the taps in registers */
    convolve_steps(x, out, count, c, channel, 4);
  else
    convolve_steps(x, out, count, c, channel, (int)c->taps);
}

/* Each returns 0, or 1 when memory ran out. */
API int64_t spmamba_conv_forward(const conv_args *c);
API int64_t spmamba_conv_backward(const conv_args *c);

#endif
