/* What differs between systems: memory in whole cache lines, and the mark of a
function that the library shows to others. */

#ifndef SPMAMBA_SYSTEM_H
#define SPMAMBA_SYSTEM_H

#include <stdlib.h>

#ifdef _WIN32
#include <malloc.h>
#define API __declspec(dllexport)
#define allocate_lines(size) _aligned_malloc(size, 64)
#define free_lines _aligned_free
#else
#define API __attribute__((visibility("default")))
#define allocate_lines(size) aligned_alloc(64, size) /* of a multiple of 64 */
#define free_lines free
#endif

#endif
