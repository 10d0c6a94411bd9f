/* Sixteen channels at a time, and the functions of a Mamba on them.

`vec` is one vector register of the instruction set that this build is for, and
`lanes` the one, two or four of them that hold LANES channels. The compiler's
vector types serve all instruction sets by one source; the build compiles it
once for each and Python loads the best one.

Functions take and give float32; their relative error is 3e-7, and for exp of a
large x that of rounding x log2(e), 6e-8 |x|. A result below 2^-125 may be zero.
NaN stays NaN; a finite result comes out finite, however large the argument; one
that overflows comes out infinite or NaN. */

#ifndef SPMAMBA_LANES_H
#define SPMAMBA_LANES_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif

#define LANES 16
#define VECS (LANES / WIDTH)
#define EACH_VEC(v) _Pragma("GCC unroll 4") for (int v = 0; v < VECS; v++)
#define INLINE static inline __attribute__((always_inline))

#define VECTOR __attribute__((vector_size(4 * WIDTH), may_alias))
typedef float vec VECTOR;
typedef int32_t ivec VECTOR;
typedef uint32_t uvec VECTOR;
typedef vec lanes[VECS] __attribute__((aligned(64)));

INLINE vec splat(float x) { return x - (vec){0}; }

INLINE vec load(const float *from) {
  vec x;
  memcpy(&x, from, sizeof x);
  return x;
}

INLINE void store(float *to, vec x) { memcpy(to, &x, sizeof x); }

/* Halves the lanes until one is left; they come in memory. */
INLINE float sum_lanes(const vec *x) {
  float lane[WIDTH];
  memcpy(lane, x, sizeof lane);
  for (int half = WIDTH / 2; half > 0; half /= 2)
    for (int j = 0; j < half; j++) lane[j] += lane[j + half];
  return lane[0];
}

/* a b + c. gcc rounds it once wherever the processor can; clang has to be told,
where a product is used twice. */
#if defined(__clang__) && (defined(__FMA__) || defined(__aarch64__))
#if __has_builtin(__builtin_elementwise_fma)
#define FUSED
#endif
#endif
#ifdef FUSED
INLINE vec multiply_add(vec a, vec b, vec c) {
  return __builtin_elementwise_fma(a, b, c);
}
#else
INLINE vec multiply_add(vec a, vec b, vec c) { return a * b + c; }
#endif

/* A mask is all ones or all zeros in every lane. */
INLINE vec choose(ivec mask, vec yes, vec no) {
  return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

INLINE vec minus_size(vec x) { return (vec)((ivec)x | INT32_MIN); }

INLINE ivec is_negative(vec x) { return (ivec)x < 0; }

/* `scale` 2^f for |f| <= 1/2: the minimax fit with p(0) = 1, which makes 2^n
exact; its relative error is 9.2e-8. */
INLINE vec exp2_fraction(vec f, float scale) {
  vec p = splat(scale * 1.3264727e-03f);
  p = p * f + scale * 9.6715128e-03f;
  p = p * f + scale * 5.5507337e-02f;
  p = p * f + scale * 2.4022242e-01f;
  p = p * f + scale * 6.9314698e-01f;
  return p * f + scale;
}

/* 2^(a b) = 2^n 2^f with n the nearest integer, where |a b| <= EXP2_BOUND.

Adding 1.5 * 2^23 rounds to n and leaves n in the low bits of the sum, and a
shift brings them to the exponent: no conversion and no rounding call is needed.
The product itself is never rounded where the processor multiplies and adds in
one. */
#define EXP2_BOUND 125.0f

INLINE vec exp2_bounded(vec a, vec b) {
  const vec magic = splat(12582912.0f);
  vec shifted = multiply_add(a, b, magic);
  vec f = multiply_add(a, b, magic - shifted);
  return (vec)((uvec)exp2_fraction(f, 1.0f) + ((uvec)shifted << 23));
}

/* 2^(a b) for any a and b that are not both positive or both negative.

n comes out as n + 126, the exponent of 2^(n-1) with its bias. Where that is
below 1 the result is zero, whatever f is: of a huge product it is a rounding
error or NaN, and what is computed from it must not count. This is the
comparison of the sums, which lets a NaN pass. */
INLINE vec exp2_falling(vec a, vec b) {
  const vec magic = splat(12583038.0f);
  vec shifted = multiply_add(a, b, magic);
  vec f = multiply_add(a, b, magic - shifted);
  vec power = exp2_fraction(f, 2.0f) * (vec)((uvec)shifted << 23);
  return (vec)((ivec)power & ~(shifted < 12582913.0f));
}

/* And for those as well: exponents above 254 become that of infinity. Compared
as integers, so that a positive NaN counts as too large and stays NaN. */
INLINE vec exp2_any(vec a, vec b) {
  vec shifted = multiply_add(a, b, splat(12583038.0f));
  ivec large = (ivec)shifted > 0x4b4000fe;
  return (vec)((ivec)exp2_falling(a, b) | (large & 0x7f800000));
}

/* The larger of `size` >= 0 and |x|; NaN counts as the largest. */
INLINE vec larger(vec size, vec x) {
  ivec bits = (ivec)x & INT32_MAX;
  return choose(bits > (ivec)size, (vec)bits, size);
}

/* exp(-|x|) */
INLINE vec exp_falling(vec x) {
  return exp2_falling(minus_size(x), splat(1.44269504f));
}

/* max(x, 0) + log(1 + e), e = exp(-|x|), where log(1 + e) = 2 atanh(s) with
s = e / (2 + e) <= 1/3: the minimax fit of 2 atanh(s) / s in s^2, to 4e-9.
Nothing is lost where e is tiny. */
INLINE vec softplus(vec x) {
  vec e = exp_falling(x), s = e / (e + 2.0f), q = s * s;
  vec p = splat(0.281783342f);
  p = p * q + 0.279606014f;
  p = p * q + 0.400249094f;
  p = p * q + 0.66666317f;
  p = p * q + 2.0f;
  return p * s + (vec)((ivec)x & ~is_negative(x));
}

/* Through exp(-|x|), which cannot overflow. */
INLINE vec sigmoid(vec x) {
  vec e = exp_falling(x);
  return choose(is_negative(x), e, splat(1.0f)) / (1.0f + e);
}

#endif
