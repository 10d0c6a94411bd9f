/* What one time step of the selective scan is given. */

#ifndef SPMAMBA_SCAN_STEP_H
#define SPMAMBA_SCAN_STEP_H

#include "sequence.h"

/* Sequences of one time step; of parameters, of one item. z, D and bias may
have no data. */
typedef struct {
  int64_t items, channels, states; /* B, D, N */
  int64_t threads, softplus;
  sequence u, delta, z, y; /* [B, 1, D] */
  sequence B, C;           /* [B, 1, N] */
  sequence A;              /* [1, D, N] */
  sequence D, bias;        /* [1, 1, D] */
  float *state;            /* [B, D, N], written */
} step_args;

API int64_t spmamba_scan_step(const step_args *s);

#endif
