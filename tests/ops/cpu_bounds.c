/* Runs every C kernel on memory of exactly the size that it may touch. Built
with -fsanitize=address,undefined it fails at the first step outside. */

#include "path.h"
#include "scan_step.h"

static float *room(int64_t size) {
  float *memory = malloc(size * sizeof(float));
  for (int64_t i = 0; i < size; i++) memory[i] = 0.01f * (float)(i % 97) - 0.3f;
  return memory;
}

/* The last row of a matrix with `stride` columns ends with its last channel. */
static sequence batch(int64_t B, int64_t L, int64_t D, int64_t stride,
                     int64_t type) {
  int64_t size = (B * L - 1) * stride + D;
  float *memory = room(type == BFLOAT16 ? (size + 1) / 2 : size);
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
  float *A2 = room(N * P), *D_ = room(P), *bias = room(P);
  float *weight = R ? room(R * P) : NULL;
  s.A2 = A2, s.D = D_, s.bias = bias, s.delta_weight = weight;
  s.checkpoints = room(B * count * N * P);
  s.weight_sums = room(2 * slabs * B * L * N);
  s.state_sums = room(B * (N + 2) * P);
  float *first = room(B * D * N), *last = room(B * D * N);
  float *grad_first = room(B * D * N);
  s.initial_state = first, s.last_state = last;
  s.grad_last_state = last, s.grad_initial_state = grad_first;
  if (spmamba_scan_forward(&s) || spmamba_scan_backward(&s)) exit(2);
  void *all[] = {s.u.data, s.delta.data, s.z.data, s.y.data, s.B.data, s.C.data,
                 s.grad_y.data, s.grad_u.data, s.grad_delta.data, s.grad_z.data,
                 A2, D_, bias, weight, s.checkpoints, s.weight_sums,
                 s.state_sums, first, last, grad_first};
  for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) free(all[i]);
}

static void step(int64_t B, int64_t D, int64_t N, int64_t type) {
  step_args s = {B, D, N, 2, 1};
  s.u = batch(B, 1, D, D, type), s.delta = batch(B, 1, D, D + 1, type);
  s.z = batch(B, 1, D, D, type), s.y = batch(B, 1, D, D, type);
  s.B = batch(B, 1, N, N, type), s.C = batch(B, 1, N, N + 2, FLOAT32);
  s.A = batch(1, D, N, N, type);
  s.D = batch(1, 1, D, D, FLOAT32), s.bias = batch(1, 1, D, D, type);
  s.state = room(B * D * N);
  if (spmamba_scan_step(&s)) exit(2);
  void *all[] = {s.u.data, s.delta.data, s.z.data, s.y.data, s.B.data,
                 s.C.data, s.A.data, s.D.data, s.bias.data, s.state};
  for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) free(all[i]);
}

static void conv(int64_t B, int64_t L, int64_t D, int64_t K, int64_t type,
                 int64_t reverse) {
  int64_t P = padded(D);
  conv_args c = {B, L, D, K, 2, reverse};
  c.x = batch(B, L, D, 2 * D, type);
  c.out = batch(B, L, D, D, type);
  c.grad_out = batch(B, L, D, D, type);
  c.grad_x = batch(B, L, D, D + 1, type);
  float *weight = room(K * P), *bias = room(P);
  c.weight = weight, c.bias = bias, c.sums = room(B * (K + 1) * P);
  if (spmamba_conv_forward(&c) || spmamba_conv_backward(&c)) exit(2);
  void *all[] = {c.x.data, c.out.data, c.grad_out.data, c.grad_x.data,
                 weight, bias, c.sums};
  for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) free(all[i]);
}

static void path(int64_t rows, int64_t L, int64_t C, int64_t K, int64_t hop,
                 int64_t D, int64_t N, int64_t taps) {
  int64_t P = padded(D), R = 3, W = K * C, Q = (L - 1) * hop + K, used = 0;
  void *all[40];
#define ROOM(size) (all[used++] = room(size))
  path_args p = {rows, Q, C, K, hop, L, D, 2};
  p.x = batch(rows, Q, C, C + 1, FLOAT32);
  p.out = batch(rows, Q, C, C + 2, FLOAT32);
  p.norm_eps = p.rms_eps = 1e-5f;
  p.norm_weight = ROOM(C), p.norm_bias = ROOM(C), p.bias = ROOM(C);
  p.in_proj = ROOM(4 * D * W), p.out_proj = ROOM(2 * D * W);
  p.residual = ROOM(W * W);
  uint8_t *valid = malloc(rows * L);
  for (int64_t i = 0; i < rows * L; i++) valid[i] = i % 3 > 0;
  p.valid = rows > 1 ? valid : NULL;
  for (int i = 0; i < 2; i++) {
    direction *d = p.directions + i;
    conv_args conv = {0, L, D, taps, 0, i};
    scan_args scan = {0, L, D, N, R, 0, i, 1};
    conv.weight = ROOM(taps * P), conv.bias = ROOM(P);
    scan.A2 = ROOM(N * P), scan.D = ROOM(P), scan.bias = ROOM(P);
    scan.delta_weight = ROOM(R * P);
    scan.checkpoints = ROOM(rows * ((L + TILE - 1) / TILE) * N * P);
    d->x_proj = ROOM((R + 2 * N) * D);
    d->mixed = ROOM(rows * L * (R + 2 * N));
    d->conv = conv, d->scan = scan;
  }
  if (spmamba_path_forward(&p)) exit(2);
  while (used) free(all[--used]);
  free(p.x.data), free(p.out.data), free(valid);
}

int main(void) {
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
  return 0;
}
