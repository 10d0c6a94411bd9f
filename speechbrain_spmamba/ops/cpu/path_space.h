/* The memory of a path's forward pass: matrices packed for its products, once
for all rows, and what a thread needs for a row of the map. */

#ifndef SPMAMBA_PATH_SPACE_H
#define SPMAMBA_PATH_SPACE_H

#include "path.h"
#include "product.h"

#define GROUPS (COLUMNS / LANES) /* of one stretch of columns */

/* Sizes that follow from the arguments. */
typedef struct {
  int64_t window, hop; /* floats of a window, and from one to the next */
  int64_t depth;       /* D as a multiple of COLUMNS */
  int64_t blocks;      /* of ROWS windows, the last one may be incomplete */
  int64_t before;      /* lanes before the first step of a group: an incomplete
                          block reads past either end. Nothing writes there:
                          they stay the zeros before a sequence */
  int64_t panel;       /* lanes from a group to the next */
  int64_t mixed, mixed_row; /* dt, B and C; as a multiple of COLUMNS */
} sizes;

INLINE sizes measure(const path_args *p) {
  const direction *d = p->directions;
  sizes s = {p->size * p->channels, p->hop * p->channels};
  s.depth = whole_columns(p->inner);
  s.blocks = (p->length + ROWS - 1) / ROWS;
  s.before = d->conv.taps > ROWS ? d->conv.taps : ROWS;
  s.panel = s.before + s.blocks * ROWS;
  s.mixed = d->scan.rank + 2 * d->scan.states;
  s.mixed_row = whole_columns(s.mixed);
  return s;
}

/* Memory for pieces that `take` cuts off it, each in whole cache lines. */
INLINE float *open_memory(int64_t floats, int pieces) {
  size_t size = (size_t)(floats + 32 * pieces) / 16 * 64;
  float *memory = allocate_lines(size);
  if (memory) memset(memory, 0, size);
  return memory;
}

INLINE float *take(float **memory, int64_t floats) {
  float *piece = *memory;
  *memory += (floats + 15) / 16 * 16;
  return piece;
}

/* Packed once for all rows. */
typedef struct {
  float *in_u[2], *in_z[2], *x_proj[2], *out[2], *residual, *memory;
} weights;

INLINE int open_weights(weights *w, const path_args *p, const sizes *s) {
  int64_t D = p->inner, window = s->window, columns = whole_columns(window);
  int64_t room = s->depth * 2 * (2 * window + s->mixed_row + columns);
  float *memory = open_memory(room + window * columns, 9);
  w->memory = memory;
  if (!memory) return 1;
  for (int i = 0; i < 2; i++) {
    const direction *d = p->directions + i;
    const float *in = p->in_proj + 2 * i * D * window;
    const float *out = p->out_proj + i * D * window;
    w->in_u[i] = take(&memory, s->depth * window);
    w->in_z[i] = take(&memory, s->depth * window);
    w->x_proj[i] = take(&memory, s->depth * s->mixed_row);
    w->out[i] = take(&memory, s->depth * columns);
    pack(w->in_u[i], (matrix){in, window, D, 1, window}, window);
    in += D * window;
    pack(w->in_z[i], (matrix){in, window, D, 1, window}, window);
    pack(w->x_proj[i], (matrix){d->x_proj, D, s->mixed, 1, D}, s->depth);
    pack(w->out[i], (matrix){out, D, window, window, 1}, s->depth);
  }
  w->residual = take(&memory, window * columns);
  pack(w->residual, (matrix){p->residual, window, window, window, 1}, window);
  return 0;
}

/* What a thread needs for a row of the map. */
typedef struct {
  float *map, *added; /* the row normalised, and what is added to it */
  float *energy, *scale; /* of positions; 1 / rms of windows, 0 without one */
  float *mixed;
  lanes *u, *z, *raw, *step, *state; /* u of all groups, z of GROUPS */
  float *memory;
} workspace;

INLINE int open_workspace(workspace *w, const path_args *p, const sizes *s) {
  int64_t windows = s->blocks * ROWS;
  int64_t map = (windows - 1) * s->hop + s->window;
  int64_t positions = p->positions * p->channels, groups = s->depth / LANES;
  int64_t states = p->directions[0].scan.states;
  if (map < positions) map = positions;
  int64_t room = 2 * map + COLUMNS + p->positions;
  room += windows * (1 + s->mixed_row);
  room += LANES * ((groups + GROUPS) * s->panel + 2 * TILE + states);
  float *memory = open_memory(room, 10);
  w->memory = memory;
  if (!memory) return 1;
  w->map = take(&memory, map);
  w->added = take(&memory, map + COLUMNS);
  w->energy = take(&memory, p->positions);
  w->scale = take(&memory, windows);
  w->mixed = take(&memory, windows * s->mixed_row);
  w->u = (lanes *)take(&memory, groups * s->panel * LANES) + s->before;
  w->z = (lanes *)take(&memory, GROUPS * s->panel * LANES) + s->before;
  w->raw = (lanes *)take(&memory, TILE * LANES);
  w->step = (lanes *)take(&memory, TILE * LANES);
  w->state = (lanes *)take(&memory, states * LANES);
  return 0;
}

#endif
