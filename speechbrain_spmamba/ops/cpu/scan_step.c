/* One time step of the selective scan, on a state where it lies. A task is a
group of channels of an item; of what is [.., N] a vector takes neighbouring
states of one channel, so that neither the state nor A is turned around. */

#include "scan_step.h"

/* Up to WIDTH elements of a row, zeros behind them. */
INLINE vec load_some(const sequence *s, int64_t offset, int64_t count) {
  float row[WIDTH] = {0};
  if (s->type == BFLOAT16) {
    const uint16_t *from = (const uint16_t *)s->data + offset;
    for (int j = 0; j < count; j++) row[j] = from_bfloat16(from[j]);
  } else {
    const float *from = (const float *)s->data + offset;
    if (count == WIDTH) return load(from);
    for (int j = 0; j < count; j++) row[j] = from[j];
  }
  return load(row);
}

/* x log2(e), finite where x is: a step of zero must leave a state as it is. */
INLINE vec base_two(vec x) {
  const vec largest = splat(3.40282347e38f);
  x *= 1.44269504f;
  x = choose(x > largest, largest, x);
  return choose(x < -largest, -largest, x);
}

/* The new state of a channel; returns its sum weighted by C. */
INLINE float step_channel(const step_args *s, int64_t item, int64_t channel,
                          float step, float drive) {
  int64_t N = s->states, from_B = item * s->B.batch_stride;
  int64_t from_A = channel * s->A.time_stride, from_C = item * s->C.batch_stride;
  float *state = s->state + (item * s->channels + channel) * N;
  vec sum = {0};
  for (int64_t n = 0; n < N; n += WIDTH) {
    int64_t count = N - n < WIDTH ? N - n : WIDTH;
    sequence before = {state + n, 0, 0, FLOAT32};
    vec rate = base_two(load_some(&s->A, from_A + n, count));
    vec after = exp2_any(splat(step), rate) * load_some(&before, 0, count) +
                drive * load_some(&s->B, from_B + n, count);
    sum += after * load_some(&s->C, from_C + n, count);
    if (count == WIDTH)
      store(state + n, after);
    else
      memcpy(state + n, &after, count * sizeof(float));
  }
  return sum_lanes(&sum);
}

INLINE void step_group(const step_args *s, int64_t item, int64_t channel) {
  place at = {item, 0, 1, 1, channel, s->channels, 0}, parameter = at;
  parameter.item = 0;
  lanes u[1], step[1], other[1];
  float steps[LANES], drives[LANES], sums[LANES] = {0};
  int64_t width = tile_width(&at);
  load_tile(u, &s->u, &at);
  load_tile(step, &s->delta, &at);
  if (s->bias.data) {
    load_tile(other, &s->bias, &parameter);
    EACH_VEC(v) step[0][v] += other[0][v];
  }
  EACH_VEC(v) {
    if (s->softplus) step[0][v] = softplus(step[0][v]);
    store(steps + v * WIDTH, step[0][v]);
    store(drives + v * WIDTH, step[0][v] * u[0][v]);
  }
  for (int j = 0; j < width; j++)
    sums[j] = step_channel(s, item, channel + j, steps[j], drives[j]);
  lanes y[1];
  EACH_VEC(v) y[0][v] = load(sums + v * WIDTH);
  if (s->D.data) {
    load_tile(other, &s->D, &parameter);
    EACH_VEC(v) y[0][v] += other[0][v] * u[0][v];
  }
  if (s->z.data) {
    load_tile(other, &s->z, &at);
    EACH_VEC(v) y[0][v] *= other[0][v] * sigmoid(other[0][v]);
  }
  store_tile(y, &s->y, &at);
}

API int64_t spmamba_scan_step(const step_args *s) {
  int64_t groups = padded(s->channels) / LANES, tasks = s->items * groups;
  /* to start threads takes as long as some thousand states */
  int shared = s->threads > 1 && tasks * s->states > 1024;
#pragma omp parallel for num_threads((int)s->threads) if (shared)
  for (int64_t task = 0; task < tasks; task++)
    step_group(s, task / groups, task % groups * LANES);
  return 0;
}
