/* A naive model of a document for tests: a list of operations, read from the
 * document's own change chunks, evaluated from scratch by the rules of the
 * format (visibility 1.5, sequence order 1.6, marks 1.8). Slow and obvious. */
#ifndef AUTOMERGE_TEST_MODEL_H
#define AUTOMERGE_TEST_MODEL_H
#include "automerge/automerge.h"

struct model;

struct model *model_of(am_doc *doc);
void model_free(struct model *m);
/* Restricts what follows to the ancestors of some heads (n == SIZE_MAX: everything). */
void model_at(struct model *m, const am_hash *heads, size_t n);
/* Like am_json(..., conflicts = true) of the root. malloc'ed. */
char *model_json(struct model *m, bool conflicts);
/* The marks of the text under a root key, one line per visible element:
 * "text|name=value,..." with null values left out; malloc'ed. */
char *model_marks(struct model *m, const char *key);

/* A growing C string. */
struct str { char *p; size_t n, cap; };
void str_put(struct str *s, const char *p, size_t n);
void str_fmt(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_quoted(struct str *s, const uint8_t *p, size_t n);
void str_value(struct str *s, const am_value *v);

/* Small deterministic generator (xorshift). */
struct rnd { uint64_t x; };
uint32_t rnd_next(struct rnd *r);
static inline uint32_t rnd_below(struct rnd *r, uint32_t n) { return n ? rnd_next(r) % n : 0; }
#endif
