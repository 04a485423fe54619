/* Mutations of Automerge files that stay plausible: a damaged column in a chunk whose
 * lengths and checksum are right, an operation with another predecessor in a change
 * that is encoded as it should be. */
#ifndef AUTOMERGE_MUTATE_H
#define AUTOMERGE_MUTATE_H
#include <stddef.h>
#include <stdint.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);

/* All work in place and return the new length, at most `max`; what cannot be taken
 * apart is mutated as bytes. */
size_t mutate_chunks(uint8_t *data, size_t n, size_t max, unsigned seed);  /* any concatenation of chunks */
size_t mutate_message(uint8_t *data, size_t n, size_t max, unsigned seed); /* a sync message */
#endif
