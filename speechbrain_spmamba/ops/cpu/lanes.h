/* Sixteen channels at a time, and the functions of a Mamba on them.

A `lanes` array is one AVX-512 register, two of AVX2 or four of SSE or NEON: the
inner loops below have a fixed length and no calls, and every compiler turns
them into vector instructions. One source serves all instruction sets; the
build compiles it once for each and Python loads the best one.

Functions take and give float32; their relative error is 3e-7, and for exp of a
large x that of rounding x log2(e), 6e-8 |x|. A result below 2^-125 may be zero.
NaN stays NaN; a finite result comes out finite, however large the argument; one
that overflows comes out infinite or NaN. */

#ifndef SPMAMBA_LANES_H
#define SPMAMBA_LANES_H

#include <stdint.h>
#include <string.h>

#define LANES 16
/* The pragma says what the compiler cannot see: lanes do not overlap. */
#define EACH_LANE(j) _Pragma("omp simd") for (int j = 0; j < LANES; j++)
#define INLINE static inline __attribute__((always_inline))

typedef float lanes[LANES] __attribute__((aligned(64)));

/* 2^x = 2^(n-1) 2^(1+f) with n the nearest integer and |f| <= 1/2.

Adding 1.5 * 2^23 + 126 rounds x to n and leaves n + 126, the exponent of
2^(n-1) with its bias, in the low bits of the sum: a shift makes it a float. No
conversion and no rounding call is needed. Exponents above 254 become that of
infinity. For those below 1 the result is zero, whatever f is: of a huge x it is
a rounding error or NaN, and what is computed from it must not count. This is
the comparison of the sums, which lets a NaN pass; it is cheaper than to clamp
x, which would have to be rounded first. The polynomial is twice the minimax fit
of 2^f with p(0) = 1, which makes 2^n exact; its relative error is 9.2e-8. */
INLINE float exp2_lane(float x) {
  const float magic = 12583038.0f;
  float shifted = x + magic, f = x - (shifted - magic), power;
  float p = 2 * 1.3264727e-03f;
  p = p * f + 2 * 9.6715128e-03f;
  p = p * f + 2 * 5.5507337e-02f;
  p = p * f + 2 * 2.4022242e-01f;
  p = p * f + 2 * 6.9314698e-01f;
  p = p * f + 2.0f;
  int32_t n;
  memcpy(&n, &shifted, 4);
  n = n > 0x4b4000ff ? 0x4b4000ff : n;
  n = (int32_t)((uint32_t)n << 23);
  memcpy(&power, &n, 4);
  return shifted < 12582913.0f ? 0.0f : p * power;
}

INLINE float exp_lane(float x) { return exp2_lane(x * 1.44269504f); }

/* max(x, 0) + log(1 + e), e = exp(-|x|), where log(1 + e) = 2 atanh(s) with
s = e / (2 + e) <= 1/3: seven terms of the series leave 1e-8, and nothing is
lost where e is tiny. */
INLINE float softplus_lane(float x) {
  float e = exp_lane(x < 0.0f ? x : -x);
  float s = e / (e + 2.0f), q = s * s;
  float p = 2.0f / 13;
  p = p * q + 2.0f / 11;
  p = p * q + 2.0f / 9;
  p = p * q + 2.0f / 7;
  p = p * q + 2.0f / 5;
  p = p * q + 2.0f / 3;
  p = p * q + 2.0f;
  return p * s + (x < 0.0f ? 0.0f : x);
}

/* Through exp(-|x|), which cannot overflow. */
INLINE float sigmoid_lane(float x) {
  float e = exp_lane(x < 0.0f ? x : -x);
  float r = 1.0f / (1.0f + e);
  return x < 0.0f ? e * r : r;
}

#endif
