/* Typed growing arrays: `VEC(struct peer *) peers;` declares
 * `{ T *p; size_t n, cap; }`, zero-initialised to start. */
#ifndef BASE_VEC_H
#define BASE_VEC_H
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define VEC(T) struct { T *p; size_t n, cap; }

#define VEC_PUSH(v, x)                                                                                                 \
	do {                                                                                                           \
		if ((v)->n == (v)->cap) {                                                                              \
			(v)->cap = (v)->cap ? (v)->cap * 2 : 4;                                                        \
			(v)->p = xreallocarray((v)->p, (v)->cap, sizeof *(v)->p);                                      \
		}                                                                                                      \
		(v)->p[(v)->n++] = (x);                                                                                \
	} while (0)

/* Removes entry i; later entries move down by one. */
#define VEC_REMOVE(v, i)                                                                                               \
	do {                                                                                                           \
		size_t vec_i_ = (i);                                                                                   \
		memmove((v)->p + vec_i_, (v)->p + vec_i_ + 1, ((v)->n - vec_i_ - 1) * sizeof *(v)->p);                  \
		(v)->n--;                                                                                              \
	} while (0)

#define VEC_FREE(v)                                                                                                    \
	do {                                                                                                           \
		free((v)->p);                                                                                          \
		(v)->p = NULL;                                                                                         \
		(v)->n = (v)->cap = 0;                                                                                 \
	} while (0)
#endif
