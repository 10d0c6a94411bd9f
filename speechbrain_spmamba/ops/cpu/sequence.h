/* A batch of sequences in memory, and tiles of it in float32.

A tile is a stretch of time by LANES channels, in the order in which the kernel
reads time: kernels know neither direction, nor strides, nor bfloat16, nor what
to do when the channels are no multiple of LANES. All of that is here. */

#ifndef SPMAMBA_SEQUENCE_H
#define SPMAMBA_SEQUENCE_H

#include "lanes.h"
#include "system.h"

/* Time steps of a tile, and between two checkpoints of a scan. */
#ifndef TILE
#define TILE 32
#endif

enum { FLOAT32 = 0, BFLOAT16 = 1 };

/* [B, L, D] with strides in elements; channels are contiguous. */
typedef struct {
  void *data;
  int64_t batch_stride, time_stride;
  int64_t type;
} sequence;

/* Where a tile lies: `count` steps from step `first` in the order of reading,
which is backwards in time when `reverse`. */
typedef struct {
  int64_t item, first, count, length, channel, channels;
  int reverse;
} place;

/* A row of float32 for every step of a tile, which all channels share. */
typedef struct {
  const float *data;
  int64_t stride;
} rows;

INLINE int64_t padded(int64_t channels) {
  return (channels + LANES - 1) / LANES * LANES;
}

/* Channels of a task that takes several groups, tile after tile and in each
tile group after group: a row of memory is then read as a few lines in a row,
while its page is at hand. Fewer where threads would be left without a task. */
#define MOST_GROUPS 16

INLINE int64_t slab_of(int64_t items, int64_t channels, int64_t threads) {
  int64_t groups = items * padded(channels) / LANES / (4 * threads);
  if (groups > MOST_GROUPS) groups = MOST_GROUPS;
  return (groups > 1 ? groups : 1) * LANES;
}

INLINE int64_t tile_width(const place *at) {
  int64_t rest = at->channels - at->channel;
  return rest < LANES ? rest : LANES;
}

INLINE int64_t tile_offset(const sequence *s, const place *at, int64_t i) {
  int64_t step = at->first + i;
  int64_t time = at->reverse ? at->length - 1 - step : step;
  return at->item * s->batch_stride + time * s->time_stride + at->channel;
}

INLINE rows rows_at(const sequence *s, const place *at) {
  place row = *at;
  row.channel = 0;
  return (rows){(const float *)s->data + tile_offset(s, &row, 0),
                at->reverse ? -s->time_stride : s->time_stride};
}

INLINE float from_bfloat16(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

/* Rounds to nearest even; a NaN keeps its sign and a bit of payload. */
INLINE uint16_t to_bfloat16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return (uint16_t)(value != value ? (bits >> 16) | 0x40u : rounded);
}

/* Channels behind the last one read as zero. */
INLINE void load_tile(lanes *tile, const sequence *s, const place *at) {
  int64_t width = tile_width(at);
  for (int64_t i = 0; i < at->count; i++) {
    int64_t offset = tile_offset(s, at, i);
    float row[LANES] = {0};
    if (s->type == BFLOAT16) {
      const uint16_t *from = (const uint16_t *)s->data + offset;
      if (width == LANES)
        for (int j = 0; j < LANES; j++) row[j] = from_bfloat16(from[j]);
      else
        for (int j = 0; j < width; j++) row[j] = from_bfloat16(from[j]);
    } else {
      const float *from = (const float *)s->data + offset;
      __builtin_prefetch(from + LANES);
      if (width == LANES) {
        EACH_VEC(v) tile[i][v] = load(from + v * WIDTH);
        continue;
      }
      for (int j = 0; j < width; j++) row[j] = from[j];
    }
    EACH_VEC(v) tile[i][v] = load(row + v * WIDTH);
  }
}

/* Channels behind the last one are not written. */
INLINE void store_tile(lanes *tile, const sequence *s, const place *at) {
  int64_t width = tile_width(at);
  for (int64_t i = 0; i < at->count; i++) {
    int64_t offset = tile_offset(s, at, i);
    const float *row = (const float *)tile[i];
    if (s->type == BFLOAT16) {
      uint16_t *to = (uint16_t *)s->data + offset;
      if (width == LANES)
        for (int j = 0; j < LANES; j++) to[j] = to_bfloat16(row[j]);
      else
        for (int j = 0; j < width; j++) to[j] = to_bfloat16(row[j]);
    } else {
      float *to = (float *)s->data + offset;
      __builtin_prefetch(to + LANES, 1);
      if (width == LANES)
        EACH_VEC(v) store(to + v * WIDTH, tile[i][v]);
      else
        memcpy(to, row, width * sizeof(float));
    }
  }
}

#endif
