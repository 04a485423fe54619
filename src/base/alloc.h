/* Allocation for the daemon's own layers: these never return NULL.
 *
 * A daemon whose every acknowledged edit is in a journal loses nothing when it
 * stops, so running out of memory ends the process with a message rather than
 * being threaded through every caller. libautomerge does not use this: it
 * reports AM_E_NOMEM. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H
#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
/* n * size, checked for overflow. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0), returns_nonnull));

/* For the start of a long-lived process, before its first thread. */
void alloc_setup(void);
/* Gives free pages back to the system. Looks at every free block. */
void alloc_trim(void);
#endif
