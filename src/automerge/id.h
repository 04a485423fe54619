/* Operation ids as text ("12@a1b2", "_root") and as bytes. */
#ifndef AUTOMERGE_ID_H
#define AUTOMERGE_ID_H
#include "automerge/internal.h"

/* Appends "ctr@actor". */
void am_id_put(const am_doc *doc, struct am_out *o, am_id id);
/* Takes "ctr@actor" apart; *ret_hex is whole bytes in hexadecimal, of either case. */
bool am_id_split(const char *p, size_t n, uint64_t *ret_ctr, const char **ret_hex, size_t *ret_hex_n);
/* The actor of so many digits; AM_NONE. */
uint32_t am_id_actor(const am_doc *doc, const char *hex, size_t n);
void am_hex_put(struct am_out *o, const uint8_t *p, size_t n);
/* The byte that two digits name, which were checked. */
uint8_t am_hex_byte(const char *digits);
#endif
