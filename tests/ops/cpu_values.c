/* Runs every C kernel on memory of exactly the size that it may touch, and
writes what lies there afterwards to a file: float32, bfloat16 widened.

Built with -fsanitize=address,undefined it fails at the first step outside; the
files of two systems are equal but for rounding. */

#include <stdio.h>

#include "path.h"
#include "scan_step.h"

static struct {
  void *memory;
  int64_t size, type;
} rooms[64];
static int used;
static FILE *values;

static void *open_room(int64_t size, int64_t type) {
  float *floats = type == FLOAT32 ? malloc(size * sizeof(float)) : NULL;
  uint16_t *halves = type == BFLOAT16 ? malloc(size * 2) : NULL;
  for (int64_t i = 0; i < size; i++) {
    float value = 0.01f * (float)(i % 97) - 0.6f;
    if (floats) floats[i] = value;
    if (halves) halves[i] = to_bfloat16(value);
  }
  rooms[used].memory = floats ? (void *)floats : halves;
  rooms[used].size = size;
  rooms[used].type = type;
  return rooms[used++].memory;
}

static float *room(int64_t size) { return open_room(size, FLOAT32); }

/* What decays does not make large numbers of small differences. */
static float *rates(int64_t size) {
  float *memory = room(size);
  for (int64_t i = 0; i < size; i++) memory[i] -= 0.4f;
  return memory;
}

static void close_rooms(int64_t failed) {
  if (failed) exit(2);
  for (int r = 0; r < used; r++) {
    for (int64_t i = 0; i < rooms[r].size; i++) {
      float value = rooms[r].type == BFLOAT16
                        ? from_bfloat16(((uint16_t *)rooms[r].memory)[i])
                        : ((float *)rooms[r].memory)[i];
      fwrite(&value, sizeof value, 1, values);
    }
    free(rooms[r].memory);
  }
  used = 0;
}

/* The last row of a matrix with `stride` columns ends with its last channel. */
static sequence batch(int64_t B, int64_t L, int64_t D, int64_t stride,
                      int64_t type) {
  void *memory = open_room((B * L - 1) * stride + D, type);
  return (sequence){memory, L * stride, stride, type};
}

static void scan(int64_t B, int64_t L, int64_t D, int64_t N, int64_t R,
                 int64_t type, int64_t reverse) {
  int64_t P = padded(D), count = (L + TILE - 1) / TILE, slab = 32;
  int64_t slabs = (D + slab - 1) / slab;
  scan_args s = {B, L, D, N, R, 2, reverse, 1, slab};
  s.u = batch(B, L, D, D + 3, type);
  s.delta = R ? batch(B, L, R, R, FLOAT32) : batch(B, L, D, D, type);
  s.z = batch(B, L, D, 2 * D, type);
  s.y = batch(B, L, D, D, type);
  s.B = batch(B, L, N, 2 * N, FLOAT32);
  s.C = batch(B, L, N, N, FLOAT32);
  s.grad_y = batch(B, L, D, D, type);
  s.grad_u = batch(B, L, D, D, type);
  s.grad_delta = batch(B, L, D, D, type);
  s.grad_z = batch(B, L, D, D, type);
  s.A2 = rates(N * P), s.D = room(P), s.bias = room(P);
  s.delta_weight = R ? room(R * P) : NULL;
  s.checkpoints = room(B * count * N * P);
  s.weight_sums = room(2 * slabs * B * L * N);
  s.state_sums = room(B * (N + 2) * P);
  s.initial_state = room(B * D * N), s.last_state = room(B * D * N);
  s.grad_last_state = s.last_state, s.grad_initial_state = room(B * D * N);
  close_rooms(spmamba_scan_forward(&s) || spmamba_scan_backward(&s));
}

static void step(int64_t B, int64_t D, int64_t N, int64_t type) {
  step_args s = {B, D, N, 2, 1};
  s.u = batch(B, 1, D, D, type), s.delta = batch(B, 1, D, D + 1, type);
  s.z = batch(B, 1, D, D, type), s.y = batch(B, 1, D, D, type);
  s.B = batch(B, 1, N, N, type), s.C = batch(B, 1, N, N + 2, FLOAT32);
  s.A = batch(1, D, N, N, type);
  s.D = batch(1, 1, D, D, FLOAT32), s.bias = batch(1, 1, D, D, type);
  s.state = room(B * D * N);
  close_rooms(spmamba_scan_step(&s));
}

static void conv(int64_t B, int64_t L, int64_t D, int64_t K, int64_t type,
                 int64_t reverse) {
  int64_t P = padded(D);
  conv_args c = {B, L, D, K, 2, reverse};
  c.x = batch(B, L, D, 2 * D, type);
  c.out = batch(B, L, D, D, type);
  c.grad_out = batch(B, L, D, D, type);
  c.grad_x = batch(B, L, D, D + 1, type);
  c.weight = room(K * P), c.bias = room(P), c.sums = room(B * (K + 1) * P);
  close_rooms(spmamba_conv_forward(&c) || spmamba_conv_backward(&c));
}

static void path(int64_t rows, int64_t L, int64_t C, int64_t K, int64_t hop,
                 int64_t D, int64_t N, int64_t taps) {
  int64_t P = padded(D), R = 3, W = K * C, Q = (L - 1) * hop + K;
  path_args p = {rows, Q, C, K, hop, L, D, 2};
  p.x = batch(rows, Q, C, C + 1, FLOAT32);
  p.out = batch(rows, Q, C, C + 2, FLOAT32);
  p.norm_eps = p.rms_eps = 1e-5f;
  p.norm_weight = room(C), p.norm_bias = room(C), p.bias = room(C);
  p.in_proj = room(4 * D * W), p.out_proj = room(2 * D * W);
  p.residual = room(W * W);
  uint8_t *valid = malloc(rows * L);
  for (int64_t i = 0; i < rows * L; i++) valid[i] = i % 3 > 0;
  p.valid = rows > 1 ? valid : NULL;
  for (int i = 0; i < 2; i++) {
    direction *d = p.directions + i;
    conv_args conv = {0, L, D, taps, 0, i};
    scan_args scan = {0, L, D, N, R, 0, i, 1};
    conv.weight = room(taps * P), conv.bias = room(P);
    scan.A2 = rates(N * P), scan.D = room(P), scan.bias = room(P);
    scan.delta_weight = room(R * P);
    scan.checkpoints = room(rows * ((L + TILE - 1) / TILE) * N * P);
    d->x_proj = room((R + 2 * N) * D);
    d->mixed = room(rows * L * (R + 2 * N));
    d->conv = conv, d->scan = scan;
  }
  close_rooms(spmamba_path_forward(&p));
  free(valid);
}

int main(int count, char **words) {
  values = count > 1 ? fopen(words[1], "wb") : NULL;
  if (!values) return 3;
  for (int64_t length = 1; length < 60; length += 19) {
    path(1, length, 3, 4, 1, 12, 5, 4);
    path(3, length, 16, 8, 3, 48, 16, 15);
  }
  int64_t channels[] = {1, 16, 21, 80}, lengths[] = {1, 32, 45};
  for (int d = 0; d < 4; d++)
    for (int l = 0; l < 3; l++)
      for (int64_t type = FLOAT32; type <= BFLOAT16; type++)
        for (int64_t reverse = 0; reverse < 2; reverse++) {
          scan(2, lengths[l], channels[d], 16, 0, type, reverse);
          scan(1, lengths[l], channels[d], 5, 3, type, reverse);
          step(3, channels[d], lengths[l], type);
          conv(2, lengths[l], channels[d], 4, type, reverse);
          conv(1, lengths[l], channels[d], 1, type, reverse);
        }
  return fclose(values);
}
