/* A path of the grid in its folded form, forward: norm, windows, projections,
convolution, scan, overlap-add. A task is one row of the map; what it needs of a
row stays in the second cache, and nothing is written but its result.

Windows are never made: a window is a stretch of the normalised map, and the
product's result is scaled instead. Sequences lie in memory by groups of LANES
channels, [groups, L, LANES], in the order of reading: the reversed direction's
lie backwards, and convolution and scan know nothing of it. The outputs of both
directions are added where their windows lie, so that the overlap-add is the
product's last step. */

#include <math.h>

#include "path_space.h"
#include "scan_steps.h"

#define DEPTH (4096 / COLUMNS) /* of a product at once: 16 kB, packed */

/* Layer norm of a row, and the scale of its windows. */
static void normalise(workspace *w, const path_args *p, int64_t item) {
  int64_t C = p->channels;
  for (int64_t q = 0; q < p->positions; q++) {
    const float *x = (const float *)p->x.data + item * p->x.batch_stride +
                     q * p->x.time_stride;
    float *y = w->map + q * C, mean = 0.0f, variance = 0.0f, energy = 0.0f;
    for (int64_t c = 0; c < C; c++) mean += x[c] / C;
    for (int64_t c = 0; c < C; c++)
      variance += (x[c] - mean) * (x[c] - mean) / C;
    float scale = 1.0f / sqrtf(variance + p->norm_eps);
    for (int64_t c = 0; c < C; c++) {
      y[c] = (x[c] - mean) * scale * p->norm_weight[c] + p->norm_bias[c];
      energy += y[c] * y[c] / C;
    }
    w->energy[q] = energy;
  }
  for (int64_t l = 0; l < p->length; l++) {
    float energy = 0.0f;
    for (int64_t k = 0; k < p->size; k++)
      energy += w->energy[l * p->hop + k] / p->size;
    int exists = !p->valid || p->valid[item * p->length + l];
    w->scale[l] = exists ? 1.0f / sqrtf(energy + p->rms_eps) : 0.0f;
  }
}

/* The step that reads window l. */
INLINE int64_t step_of(const path_args *p, int64_t l, int reverse) {
  return reverse ? p->length - 1 - l : l;
}

/* GROUPS groups of an in-projection. */
static void project(lanes *to, const workspace *w, const path_args *p,
                    const sizes *s, const float *matrix, int reverse) {
  for (int64_t l = 0; l < p->length; l += ROWS) {
    sums total = {0};
    multiply(total, w->map + l * s->hop, s->hop, matrix, s->window,
             COLUMN_VECS);
    _Pragma("GCC unroll 12") for (int r = 0; r < ROWS; r++)
      if (l + r < p->length) {
        lanes *step = to + step_of(p, l + r, reverse);
        float scale = w->scale[l + r];
        for (int g = 0; g < GROUPS; g++)
          EACH_VEC(v) step[g * s->panel][v] = total[r][g * VECS + v] * scale;
      }
  }
}

/* dt, B and C of every step. */
INLINE void mix(workspace *w, const path_args *p, const sizes *s,
                const float *matrix, float *mixed, int vecs) {
  for (int64_t i = 0; i < p->length; i += ROWS) {
    sums total = {0};
    for (int64_t g = 0; g < s->depth / LANES; g++)
      multiply(total, (float *)(w->u + g * s->panel + i), LANES,
               matrix + g * LANES * COLUMNS, LANES, vecs);
    _Pragma("GCC unroll 12") for (int r = 0; r < ROWS; r++)
      if (i + r < p->length)
        for (int v = 0; v < vecs; v++)
          store(mixed + (i + r) * s->mixed_row + v * WIDTH, total[r][v]);
  }
}

/* Adds a product to the places of its windows. Element k of window l is at
left + l row + k / LANES part + k % LANES. */
INLINE void add_windows(workspace *w, const path_args *p, const sizes *s,
                        const float *left, int64_t row, int64_t part,
                        const float *matrix, int64_t depth, float *added) {
  for (int64_t l = 0; l < p->length; l += ROWS) {
    sums total = {0};
    for (int64_t k = 0; k < depth; k += LANES)
      multiply(total, left + l * row + k / LANES * part, row,
               matrix + k * COLUMNS, depth - k < LANES ? depth - k : LANES,
               COLUMN_VECS);
    _Pragma("GCC unroll 12") for (int r = 0; r < ROWS; r++)
      if (l + r < p->length && w->scale[l + r] != 0.0f)
        for (int v = 0; v < COLUMN_VECS; v++) {
          float *to = added + (l + r) * s->hop + v * WIDTH;
          store(to, load(to) + total[r][v]);
        }
  }
}

/* u, for all groups: projected, convolved. */
static void make_u(workspace *w, const path_args *p, const sizes *s,
                   const float *matrix, const direction *d) {
  int reverse = (int)d->scan.reverse;
  for (int64_t channel = 0; channel < p->inner; channel += COLUMNS) {
    lanes *group = w->u + channel / LANES * s->panel;
    project(group, w, p, s, matrix + channel * s->window, reverse);
    for (int64_t c = channel; c < channel + COLUMNS && c < p->inner;
         c += LANES, group += s->panel) {
      convolve(group, group, p->length, &d->conv, c);
      if (p->valid)
        for (int64_t l = 0; l < p->length; l++)
          if (w->scale[l] == 0.0f)
            memset(group + step_of(p, l, reverse), 0, sizeof(lanes));
    }
  }
}

/* The scan of a group, in place of its u. */
INLINE void scan_group(workspace *w, const scan_args *a, const sizes *s,
                       lanes *u, lanes *z, int64_t item, int64_t channel,
                       int states) {
  memset(w->state, 0, states * sizeof(lanes));
  int64_t index = 0;
  for (int64_t first = 0; first < a->length; first += TILE, index++) {
    int64_t rest = a->length - first, count = rest < TILE ? rest : TILE;
    const float *dt = w->mixed + first * s->mixed_row, *B = dt + a->rank;
    tile t = {u + first, w->raw, w->step, z + first, u + first,
              {B, s->mixed_row}, {B + states, s->mixed_row},
              {dt, s->mixed_row}, channel, count};
    keep_state(w->state, a, item, index, channel, states);
    scan_tile(&t, w->state, a, states);
  }
}

static void run_direction(workspace *w, const path_args *p, const sizes *s,
                          const weights *m, int index, int64_t item) {
  const direction *d = p->directions + index;
  const scan_args *a = &d->scan;
  int reverse = (int)a->reverse;
  make_u(w, p, s, m->in_u[index], d);
  for (int64_t first = 0; first < s->mixed_row; first += COLUMNS) {
    const float *matrix = m->x_proj[index] + first * s->depth;
    if (s->mixed - first > WIDTH)
      mix(w, p, s, matrix, w->mixed + first, COLUMN_VECS);
    else
      mix(w, p, s, matrix, w->mixed + first, 1);
  }
  if (d->mixed)
    for (int64_t l = 0; l < p->length; l++)
      memcpy(d->mixed + (item * p->length + l) * s->mixed,
             w->mixed + step_of(p, l, reverse) * s->mixed_row,
             s->mixed * sizeof(float));
  for (int64_t channel = 0; channel < p->inner; channel += COLUMNS) {
    project(w->z, w, p, s, m->in_z[index] + channel * s->window, reverse);
    for (int g = 0; g < GROUPS && channel + g * LANES < p->inner; g++) {
      lanes *u = w->u + (channel / LANES + g) * s->panel;
      lanes *z = w->z + g * s->panel;
      if (a->states == 16) /* a constant lets the loop over states unroll */
        scan_group(w, a, s, u, z, item, channel + g * LANES, 16);
      else
        scan_group(w, a, s, u, z, item, channel + g * LANES, (int)a->states);
    }
  }
  int64_t row = reverse ? -LANES : LANES;
  for (int64_t k = 0; k < s->depth; k += DEPTH) {
    int64_t depth = s->depth - k < DEPTH ? s->depth - k : DEPTH;
    float *y = (float *)(w->u + k / LANES * s->panel + step_of(p, 0, reverse));
    for (int64_t column = 0; column < s->window; column += COLUMNS)
      add_windows(w, p, s, y, row, s->panel * LANES,
                  m->out[index] + column * s->depth + k * COLUMNS, depth,
                  w->added + column);
  }
}

static void run_row(workspace *w, const path_args *p, const sizes *s,
                    const weights *m, int64_t item) {
  int64_t C = p->channels;
  normalise(w, p, item);
  memset(w->added, 0, p->positions * C * sizeof(float));
  for (int64_t column = 0; column < s->window; column += COLUMNS)
    add_windows(w, p, s, w->map, s->hop, LANES,
                m->residual + column * s->window, s->window, w->added + column);
  for (int i = 0; i < 2; i++) run_direction(w, p, s, m, i, item);
  for (int64_t q = 0; q < p->positions; q++) {
    const float *x = (const float *)p->x.data + item * p->x.batch_stride +
                     q * p->x.time_stride;
    float *out = (float *)p->out.data + item * p->out.batch_stride +
                 q * p->out.time_stride;
    for (int64_t c = 0; c < C; c++)
      out[c] = x[c] + (w->added[q * C + c] + p->bias[c]);
  }
}

API int64_t spmamba_path_forward(const path_args *p) {
  sizes s = measure(p);
  weights m;
  int64_t failed = open_weights(&m, p, &s);
#pragma omp parallel num_threads((int)p->threads) reduction(| : failed)
  {
    workspace w = {0};
    failed |= open_workspace(&w, p, &s);
#pragma omp for schedule(static)
    for (int64_t item = 0; item < p->items; item++)
      if (!failed) run_row(&w, p, &s, &m, item);
    free_lines(w.memory);
  }
  free_lines(m.memory);
  return failed;
}
