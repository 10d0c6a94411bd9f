/* Products of a few rows with a packed matrix: what the path of a grid needs of
a matrix library, without a copy of what stands beside the products.

The left operand's rows may overlap (windows of a map), run backwards, or lie in
parts (groups of channels); the result may be added to overlapping rows. A block
of ROWS by COLUMNS sums stays in the registers. */

#ifndef SPMAMBA_PRODUCT_H
#define SPMAMBA_PRODUCT_H

#include "lanes.h"

/* As many sums as leave registers for a row of the matrix and one value: of 32
in AVX-512 24 (as of NEON), of 16 else 12. */
#if WIDTH == 16
#define ROWS 12
#define COLUMNS 32
#elif WIDTH == 8
#define ROWS 6
#define COLUMNS 16
#elif defined(__aarch64__)
#define ROWS 6
#define COLUMNS 16
#else
#define ROWS 3
#define COLUMNS 16
#endif
#define COLUMN_VECS (COLUMNS / WIDTH)

typedef vec sums[ROWS][COLUMN_VECS];

INLINE int64_t whole_columns(int64_t columns) {
  return (columns + COLUMNS - 1) / COLUMNS * COLUMNS;
}

/* A matrix whose element (k, j) is at k row + j column. */
typedef struct {
  const float *data;
  int64_t depth, columns, row, column;
} matrix;

/* Packed: for every COLUMNS columns, `depth` rows of them. What the matrix does
not have is zero. */
INLINE void pack(float *to, matrix m, int64_t depth) {
  for (int64_t first = 0; first < m.columns; first += COLUMNS)
    for (int64_t k = 0; k < depth; k++)
      for (int64_t j = first; j < first + COLUMNS; j++) {
        int inside = k < m.depth && j < m.columns;
        *to++ = inside ? m.data[k * m.row + j * m.column] : 0.0f;
      }
}

/* total += left right: ROWS rows of `left` that lie `row` apart, `depth` rows
of one packed stretch of columns, of which the first `vecs` vectors count. */
INLINE void multiply(sums total, const float *left, int64_t row,
                     const float *right, int64_t depth, int vecs) {
  for (int64_t k = 0; k < depth; k++, left++, right += COLUMNS) {
    vec b[COLUMN_VECS];
    for (int v = 0; v < vecs; v++) b[v] = load(right + v * WIDTH);
    _Pragma("GCC unroll 12") for (int r = 0; r < ROWS; r++) {
      float a = left[r * row];
      _Pragma("GCC unroll 4") for (int v = 0; v < vecs; v++)
        total[r][v] += a * b[v];
    }
  }
}

#endif
