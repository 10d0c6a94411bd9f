/* What a whole path of the grid is given. ../../nnet/folding.py derives the
form and names its matrices, which come as they are there: contiguous,
float32. */

#ifndef SPMAMBA_PATH_H
#define SPMAMBA_PATH_H

#include "conv.h"
#include "scan.h"

/* A Mamba of one direction, between its projections. Its convolution and scan
hold parameters and sizes; their sequences are not used, but for `mixed`, and
`checkpoints` of the scan, where they are to be kept. */
typedef struct {
  conv_args conv;
  scan_args scan;
  const float *x_proj; /* [R + 2 N, D] */
  float *mixed;        /* [rows, L, R + 2 N]: dt, B, C; may be NULL */
} direction;

typedef struct {
  int64_t items, positions, channels; /* rows of the map, Q, C */
  int64_t size, hop, length;          /* K, and windows: L */
  int64_t inner, threads;             /* D */
  sequence x, out;                    /* float32 */
  float norm_eps, rms_eps;
  const float *norm_weight, *norm_bias, *bias; /* [C] */
  const float *in_proj, *out_proj, *residual; /* [4 D, KC] [2 D, KC] [KC, KC] */
  const uint8_t *valid; /* [rows, L]: windows that exist; may be NULL */
  direction directions[2];
} path_args;

/* Returns 0, or 1 when memory ran out. */
API int64_t spmamba_path_forward(const path_args *p);

#endif
