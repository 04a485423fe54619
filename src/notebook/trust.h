/* Trust in a notebook's dependencies: environments.md 12. */
#ifndef NOTEBOOK_TRUST_H
#define NOTEBOOK_TRUST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define TRUST_KEY_BYTES 32
#define TRUST_SIGNATURE_TEXT 77 /* "hmac-sha256:", 64 digits, NUL */

enum trust_status { TRUST_TRUSTED, TRUST_UNTRUSTED, TRUST_SIGNATURE_INVALID, TRUST_NO_DEPENDENCIES };
/* `trusted`, `untrusted`, `signature_invalid`, `no_dependencies`. */
const char *trust_status_name(enum trust_status s);
/* True exactly for untrusted and signature_invalid. */
bool trust_needs_approval(enum trust_status s);

/* metadata: a notebook's metadata object as JSON, keys in file order where that
 * is known. key NULL: no usable key (status untrusted when there are
 * dependencies). Accepts typed, file and sorted key order. */
enum trust_status trust_check(const char *metadata, size_t n, const uint8_t *key);
/* Signature over the typed form; -EINVAL when metadata is no object. */
int trust_sign(const char *metadata, size_t n, const uint8_t key[TRUST_KEY_BYTES], char ret[TRUST_SIGNATURE_TEXT]);
/* True when the metadata names dependencies, so that a key is needed. */
bool trust_has_dependencies(const char *metadata, size_t n);

struct host;
/* The key file (32 raw bytes, mode 0600). With random (32 fresh random bytes)
 * a missing one is created, its directories too; NULL: -ENOENT. A file of any
 * other size is -EINVAL: untrusted until the user removes it. */
int trust_key_load(struct host *h, const char *path, const uint8_t *random, uint8_t ret[TRUST_KEY_BYTES]);
#endif
