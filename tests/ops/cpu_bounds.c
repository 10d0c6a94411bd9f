/* Runs every C kernel on memory of exactly the size that it may touch. Built
with -fsanitize=address,undefined it fails at the first step outside. */

#include "conv.h"
#include "scan.h"

static float *room(int64_t size) {
  float *memory = malloc(size * sizeof(float));
  for (int64_t i = 0; i < size; i++) memory[i] = 0.01f * (float)(i % 97) - 0.3f;
  return memory;
}

/* The last row of a matrix with `stride` columns ends with its last channel. */
static sequence rows(int64_t B, int64_t L, int64_t D, int64_t stride,
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
  s.u = rows(B, L, D, D + 3, type);
  s.delta = R ? rows(B, L, R, R, FLOAT32) : rows(B, L, D, D, type);
  s.z = rows(B, L, D, 2 * D, type);
  s.y = rows(B, L, D, D, type);
  s.B = rows(B, L, N, 2 * N, FLOAT32);
  s.C = rows(B, L, N, N, FLOAT32);
  s.grad_y = rows(B, L, D, D, type);
  s.grad_u = rows(B, L, D, D, type);
  s.grad_delta = rows(B, L, D, D, type);
  s.grad_z = rows(B, L, D, D, type);
  float *A2 = room(N * P), *D_ = room(P), *bias = room(P);
  float *weight = R ? room(R * P) : NULL;
  s.A2 = A2, s.D = D_, s.bias = bias, s.delta_weight = weight;
  s.checkpoints = room(B * count * N * P);
  s.weight_sums = room(2 * slabs * B * L * N);
  s.state_sums = room(B * (N + 2) * P);
  if (spmamba_scan_forward(&s) || spmamba_scan_backward(&s)) exit(2);
  void *all[] = {s.u.data, s.delta.data, s.z.data, s.y.data, s.B.data, s.C.data,
                 s.grad_y.data, s.grad_u.data, s.grad_delta.data, s.grad_z.data,
                 A2, D_, bias, weight, s.checkpoints, s.weight_sums,
                 s.state_sums};
  for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) free(all[i]);
}

static void conv(int64_t B, int64_t L, int64_t D, int64_t K, int64_t type,
                 int64_t reverse) {
  int64_t P = (D + LANES - 1) / LANES * LANES;
  conv_args c = {B, L, D, K, 2, reverse};
  c.x = rows(B, L, D, 2 * D, type);
  c.out = rows(B, L, D, D, type);
  c.grad_out = rows(B, L, D, D, type);
  c.grad_x = rows(B, L, D, D + 1, type);
  float *weight = room(K * P), *bias = room(P);
  c.weight = weight, c.bias = bias, c.sums = room(B * (K + 1) * P);
  if (spmamba_conv_forward(&c) || spmamba_conv_backward(&c)) exit(2);
  void *all[] = {c.x.data, c.out.data, c.grad_out.data, c.grad_x.data,
                 weight, bias, c.sums};
  for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) free(all[i]);
}

int main(void) {
  int64_t channels[] = {1, 16, 21, 80}, lengths[] = {1, 32, 45};
  for (int d = 0; d < 4; d++)
    for (int l = 0; l < 3; l++)
      for (int64_t type = FLOAT32; type <= BFLOAT16; type++)
        for (int64_t reverse = 0; reverse < 2; reverse++) {
          scan(2, lengths[l], channels[d], 16, 0, type, reverse);
          scan(1, lengths[l], channels[d], 5, 3, type, reverse);
          conv(2, lengths[l], channels[d], 4, type, reverse);
          conv(1, lengths[l], channels[d], 1, type, reverse);
        }
  return 0;
}
