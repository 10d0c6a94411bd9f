/* What the passes of the convolution are given. Parameters come padded to a
multiple of LANES channels, taps first: weight is [K, P], bias [P]. */

#ifndef SPMAMBA_CONV_H
#define SPMAMBA_CONV_H

#include <stdlib.h>

#include "sequence.h"

typedef struct {
  int64_t items, length, channels, taps;
  int64_t threads, reverse;
  sequence x, out, grad_out, grad_x; /* the backward pass leaves out alone */
  const float *weight, *bias;
  float *sums; /* [B, K + 1, P]: gradients of weight and of bias */
} conv_args;

/* Each returns 0, or 1 when memory ran out. */
int64_t spmamba_conv_forward(const conv_args *c);
int64_t spmamba_conv_backward(const conv_args *c);

#endif
